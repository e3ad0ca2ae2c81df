"""The file of endpoints is checked whole, and what is wrong is named with its line."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.errors import ConfigurationError
from sinks.webhooks.document import EndpointsError, WebhookEndpoint, read_document
from sinks.webhooks.targets import load_targets

ROOT = Path(__file__).parents[3]
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()

WEBHOOK = {
    "name": "core",
    "kind": "webhook",
    "url": "https://hooks.example/tideline",
    "secret_files": ["secret"],
}
IM = {
    "name": "chat",
    "kind": "im",
    "url_file": "chat-url",
    "template": '{"text": "{{ merchant_id }}"}',
}
EMAIL = {
    "name": "mail",
    "kind": "email",
    "host": "mail.example",
    "sender": "Tideline <risk@bank.example>",
    "recipients": ["desk@bank.example"],
    "subject": "{{ kind }}",
    "body": "{{ merchant_id }}",
}


def text_of(*endpoints: dict[str, Any], **more: Any) -> str:
    apart = json.loads(json.dumps({"endpoints": endpoints, **more}))  # no aliases
    return yaml.safe_dump(apart, sort_keys=False)


def written(folder: Path, *endpoints: dict[str, Any], **more: Any) -> Path:
    """A file of endpoints with the secrets that the examples name."""
    (folder / "secret").write_text(SECRET)
    (folder / "chat-url").write_text("https://chat.example/robot/send?token=abc\n")
    (folder / "password").write_text("pass word\n")
    path = folder / "webhooks.yaml"
    path.write_text(text_of(*endpoints, **more))
    return path


def test_endpoints_of_every_kind_load(tmp_path: Path) -> None:
    login = {"username": "risk", "password_file": "password"}
    path = written(tmp_path, WEBHOOK, IM, {**EMAIL, **login}, desk_url="https://desk.example")
    assert [t.endpoint.name for t in load_targets(path)] == ["core", "chat", "mail"]


def test_what_is_left_out_has_its_default() -> None:
    (endpoint,) = read_document(text_of(WEBHOOK)).endpoints
    assert isinstance(endpoint, WebhookEndpoint)
    assert endpoint.filter.types == ["alert.opened", "alert.updated", "alert.closed"]
    assert (endpoint.start, endpoint.timeout_s, endpoint.give_up_after_s) == ("latest", 10, 86_400)


@pytest.mark.parametrize(
    ("over", "named"),
    [
        ({"name": "Core Bank"}, "name"),
        ({"colour": "red"}, "colour"),
        ({"kind": "pigeon"}, "kind"),
        ({"secret_files": []}, "secret_files"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"give_up_after_s": 5}, "give_up_after_s"),
        ({"start": "yesterday"}, "start"),
        ({"filter": {"severity": "huge"}}, "severity"),
        ({"filter": {"types": ["alert.eaten"]}}, "types"),
        ({"filter": {"funder": ["north"]}}, "funder"),
    ],
)
def test_a_wrong_field_is_named_with_its_line(over: dict[str, Any], named: str) -> None:
    with pytest.raises(EndpointsError, match=rf"line \d+: .*{named}"):
        read_document(text_of({**WEBHOOK, **over}))


@pytest.mark.parametrize(
    ("endpoints", "named"),
    [
        ([WEBHOOK, WEBHOOK], "twice"),
        ([{**IM, "url": "https://a.example/"}], "url_file"),
        ([{k: v for k, v in IM.items() if k != "url_file"}], "url_file"),
        ([{**EMAIL, "username": "risk"}], "password_file"),
        ([], "endpoints"),
    ],
)
def test_fields_that_do_not_go_together_are_named(endpoints: Any, named: str) -> None:
    with pytest.raises(EndpointsError, match=named):
        read_document(text_of(*endpoints))


@pytest.mark.parametrize(
    ("endpoint", "named"),
    [
        ({**WEBHOOK, "url": "ftp://a.example/"}, "core: `url`"),
        ({**WEBHOOK, "networks": ["10.0.0.0/33"]}, "core: `networks`"),
        ({**WEBHOOK, "secret_files": ["none-such"]}, "core: `secret_files`"),
        ({**WEBHOOK, "secret_files": ["password"]}, "core: `secret_files`"),
        ({**WEBHOOK, "ca_file": "password"}, "core: `ca_file`"),
        ({**IM, "template": "{{"}, "chat: `template`"),
        ({**IM, "url_file": "password"}, "chat: `url`"),
        ({**EMAIL, "body": "{% for %}"}, "mail: `body`"),
        ({**EMAIL, "sender": "a\nBcc: b@c.example"}, "mail: `sender`"),
        (
            {**EMAIL, "security": "none", "username": "a", "password_file": "password"},
            "mail: `security`",
        ),
    ],
)
def test_what_cannot_work_is_found_at_the_start(
    tmp_path: Path, endpoint: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named) as caught:
        load_targets(written(tmp_path, endpoint))
    assert "pass word" not in str(caught.value)


def test_a_file_that_is_not_set_or_not_there_is_an_error_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="TIDELINE_WEBHOOKS__FILE is not set"):
        load_targets(None)
    with pytest.raises(ConfigurationError, match=r"none\.yaml"):
        load_targets(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(ConfigurationError, match=r"list\.yaml: line 1"):
        load_targets(tmp_path / "list.yaml")


def test_the_examples_of_the_page_load(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "webhooks.md").read_text("utf-8")
    blocks = [block.split("```")[0] for block in page.split("```yaml\n")[1:]]
    assert blocks
    for name in ("secrets/core", "secrets/core-next"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(SECRET)
    (tmp_path / "secrets" / "chat-url").write_text("https://chat.example/hook")
    (tmp_path / "secrets" / "mail").write_text("x")
    for block in blocks:
        path = tmp_path / "webhooks.yaml"
        path.write_text(block)
        assert load_targets(path)
