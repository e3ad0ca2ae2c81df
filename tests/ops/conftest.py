"""An environment without settings."""

import os

import pytest


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No TIDELINE_ variable of the developer's reaches a test."""
    for name in list(os.environ):
        if name.upper().startswith("TIDELINE_") and name != "TIDELINE_REQUIRE":
            monkeypatch.delenv(name)
