"""Where a form may lead back to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.forms import local_path


@pytest.mark.parametrize("path", ["/", "/merchants/m%2F1?x=1#y", "/模型"])
def test_a_path_of_this_desk_is_kept(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "models",
        "//evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "https://evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/x\r\nset-cookie: a=b",
        "/\x00",
        "/\ud800",
        "/" + "x" * 3_000,
        "javascript:alert(1)",
    ],
)
def test_what_would_lead_elsewhere_leads_to_the_queue(text: str) -> None:
    assert local_path(text) == "/"
    assert local_path(text, "/models") == "/models"


@given(st.text())
def test_whatever_is_given_the_answer_is_a_path_of_this_desk(text: str) -> None:
    path = local_path(text)
    assert path.startswith("/") and path[1:2] not in ("/", "\\") and path.isprintable()
