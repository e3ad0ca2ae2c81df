"""docs/operations.md names settings, commands, metrics and files that are there."""

import re

import pytest
from typer.main import get_command

from ops.metrics import Metrics
from ops.settings import Settings
from tests.deploy.files import ROOT, environment, services

TEXT = (ROOT / "docs" / "operations.md").read_text("utf-8")


def _settings() -> dict[str, str]:
    """Default of every setting by its variable."""
    found = {}
    for section, field in Settings.model_fields.items():
        for name, setting in field.annotation.model_fields.items():  # type: ignore[union-attr]
            default = "" if setting.default is None else str(setting.default)
            found[f"TIDELINE_{section}__{name}".upper()] = default
    return found


def test_the_table_of_settings_is_complete_and_has_the_defaults() -> None:
    rows = re.findall(r"^\| `(TIDELINE_\w+)` \| (?:`([^`]*)`)? ?\|", TEXT, re.MULTILINE)
    assert dict(rows) == _settings()


def test_every_variable_in_the_text_is_a_setting() -> None:
    named = set(re.findall(r"\bTIDELINE_\w+", TEXT)) - {"TIDELINE_CONFIG"}
    assert named <= set(_settings())


def test_every_command_in_the_text_exists() -> None:
    from tideline.cli import app

    commands = set(get_command(app).commands)  # type: ignore[attr-defined]
    named = set(re.findall(r"`tideline ([a-z-]+)", TEXT))
    assert len(named) > 5
    assert named <= commands


def test_every_metric_in_the_text_is_served() -> None:
    served = {family.name for family in Metrics().registry.collect()}
    named = {re.sub(r"_total$", "", name) for name in re.findall(r"`(tideline_\w+)`", TEXT)}
    assert named and named <= served


@pytest.mark.parametrize(
    ("setting", "variable"),
    [
        (
            "transaction.abort.timed.out.transaction.cleanup.interval.ms",
            "KAFKA_TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS",
        ),
        ("transaction.max.timeout.ms", "KAFKA_TRANSACTION_MAX_TIMEOUT_MS"),
        ("group.min.session.timeout.ms", "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS"),
    ],
)
def test_the_broker_settings_explained_are_those_in_force(setting: str, variable: str) -> None:
    row = re.search(rf"^\| `{re.escape(setting)}` \| (\S+) \|", TEXT, re.MULTILINE)
    assert row and row[1] == environment(services()["kafka"])[variable]


def test_every_file_in_the_text_exists() -> None:
    for path in set(re.findall(r"(?:deploy|docs)/[\w./-]+\w", TEXT)):
        if not path.startswith("deploy/secrets"):
            assert (ROOT / path).exists(), path
