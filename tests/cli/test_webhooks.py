"""``tideline webhooks`` checks its file before it begins."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.errors import ConfigurationError
from tests.sinks.webhooks.test_document import EMAIL, IM, WEBHOOK, written
from tideline.cli import app


def test_the_check_names_each_endpoint_and_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, WEBHOOK, IM, EMAIL)
    monkeypatch.setenv("TIDELINE_WEBHOOKS__FILE", str(path))
    monkeypatch.setenv("TIDELINE_KAFKA__TOPIC_PREFIX", "test.")
    done = CliRunner().invoke(app, ["webhooks", "--check", "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {
        "endpoints": 3,
        "groups": {name: f"test.webhooks.{name}" for name in ("core", "chat", "mail")},
    }


def test_a_wrong_file_ends_the_command_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIDELINE_WEBHOOKS__FILE", raising=False)
    done = CliRunner().invoke(app, ["webhooks"])
    assert isinstance(done.exception, ConfigurationError)
    path = written(tmp_path, {**WEBHOOK, "url": "gopher://x"})
    monkeypatch.setenv("TIDELINE_WEBHOOKS__FILE", str(path))
    done = CliRunner().invoke(app, ["webhooks", "--check"])
    assert isinstance(done.exception, ConfigurationError)
    assert "core" in str(done.exception) and "url" in str(done.exception)
