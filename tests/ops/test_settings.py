"""Settings: where they come from, what is refused at start, what is never shown."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from ops.errors import ConfigurationError
from ops.settings import Settings, effective_masked, load_settings, privacy_key


def _file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    path = tmp_path / "tideline.toml"
    path.write_text(text)
    monkeypatch.setenv("TIDELINE_CONFIG", str(path))


def test_the_environment_wins_over_the_file_and_the_file_over_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _file(tmp_path, monkeypatch, '[kafka]\npartitions = 7\ntopic_prefix = "file."\n')
    monkeypatch.setenv("TIDELINE_KAFKA__TOPIC_PREFIX", "environment.")
    kafka = load_settings().kafka
    assert (kafka.topic_prefix, kafka.partitions) == ("environment.", 7)
    assert kafka.bootstrap_servers == "127.0.0.1:9092"


def test_settings_do_not_change_after_the_start() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.kafka.partitions = 8  # type: ignore[misc]
    with pytest.raises(ValidationError):
        settings.kafka = Settings().kafka  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "TIDELINE_KAFKA__BOOTSTRAP",
            "x:1",
            "TIDELINE_KAFKA__BOOTSTRAP is not a setting; did you mean "
            "TIDELINE_KAFKA__BOOTSTRAP_SERVERS",
        ),
        ("TIDELINE_KAFKA_PARTITIONS", "4", "TIDELINE_KAFKA_PARTITIONS is not a setting; sections"),
        ("tideline_kafkka__partitions", "4", "tideline_kafkka__partitions is not a setting"),
        ("TIDELINE_KAFKA__PARTITIONS", "many", "TIDELINE_KAFKA__PARTITIONS: .*integer"),
        ("TIDELINE_KAFKA__PARTITIONS", "0", "TIDELINE_KAFKA__PARTITIONS: .*greater"),
        ("TIDELINE_KAFKA__PARTITIONS__X", "4", "TIDELINE_KAFKA__PARTITIONS"),
        ("TIDELINE_KAFKA", "x:1", "set its fields one by one"),
        ("TIDELINE_LOG__FORMAT", "xml", "TIDELINE_LOG__FORMAT: .*'json' or 'console'"),
        ("TIDELINE_CONFIG", "no-such-file.toml", "no-such-file.toml, which is not a file"),
        (
            "TIDELINE_KAFKA__SECURITY_PROTOCOL",
            "sasl_ssl",
            "sasl_ssl needs sasl_mechanism, sasl_username, sasl_password",
        ),
        ("TIDELINE_KAFKA__SASL_USERNAME", "u", "need security_protocol"),
    ],
)
def test_a_wrong_variable_is_named_at_start(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=message):
        load_settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[kafka\n", "tideline.toml is not TOML: .*line 1"),
        ("[kafkka]\npartitions = 4\n", "tideline.toml: kafkka is not a setting"),
        ("[kafka]\npartition = 4\n", "tideline.toml: kafka.partition is not a setting; did you"),
        ("[worker]\ncommit_interval_ms = 0\n", "tideline.toml: worker.commit_interval_ms: "),
    ],
)
def test_what_is_wrong_in_the_file_is_named_with_the_file(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _file(tmp_path, monkeypatch, text)
    with pytest.raises(ConfigurationError, match=message):
        load_settings()


def test_all_wrong_settings_are_named_at_once_and_no_value_is_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TIDELINE_KAFKA__SASL_PASWORD", "hunter2")
    monkeypatch.setenv("TIDELINE_DESK__PORT", "70000")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "TIDELINE_KAFKA__SASL_PASWORD" in str(caught.value)
    assert "TIDELINE_DESK__PORT" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_secrets_are_masked_in_the_settings_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDELINE_KAFKA__SECURITY_PROTOCOL", "sasl_ssl")
    monkeypatch.setenv("TIDELINE_KAFKA__SASL_MECHANISM", "PLAIN")
    monkeypatch.setenv("TIDELINE_KAFKA__SASL_USERNAME", "ada")
    monkeypatch.setenv("TIDELINE_KAFKA__SASL_PASSWORD", "hunter2")
    monkeypatch.setenv("TIDELINE_CLICKHOUSE__URL", "clickhouse://ada:hun:t/er@3@db:9000/t")
    settings = load_settings()
    shown = effective_masked(settings)
    text = json.dumps(shown)
    assert "hunter2" not in text and "hunter2" not in repr(settings)
    assert shown["clickhouse"]["url"].endswith("@db:9000/t") and "hun" not in text
    assert shown["kafka"]["sasl_username"] == "ada"


@pytest.mark.parametrize(
    "url", ["chdb:///.tideline/clickhouse", "clickhouse://ada@db:9000/t", "clickhouse://db/t"]
)
def test_an_address_without_a_password_is_shown_as_it_is(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDELINE_CLICKHOUSE__URL", url)
    assert effective_masked(load_settings())["clickhouse"]["url"] == url


def test_the_privacy_key_is_the_file_s_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_bytes(bytes(range(32)))
    monkeypatch.setenv("TIDELINE_PRIVACY__KEY_FILE", str(file))
    assert privacy_key(load_settings()) == bytes(range(32))


@pytest.mark.parametrize("content", [None, b"", b"x" * 31])
def test_a_privacy_key_that_is_missing_or_short_is_refused_with_the_remedy(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("TIDELINE_PRIVACY__KEY_FILE", str(file))
    with pytest.raises(ConfigurationError, match="/dev/urandom"):
        privacy_key(load_settings())


def test_no_privacy_key_is_no_silent_default() -> None:
    with pytest.raises(ConfigurationError, match="TIDELINE_PRIVACY__KEY_FILE is not set; create"):
        privacy_key(load_settings())
