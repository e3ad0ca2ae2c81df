"""Settings: ``TIDELINE_…`` variables, or the TOML file that ``TIDELINE_CONFIG`` names.

Nested names are joined by two underscores: ``TIDELINE_KAFKA__BOOTSTRAP_SERVERS``. A name that does
not exist is an error at start, not a setting that silently does nothing.
"""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from ops.errors import ConfigurationError

PREFIX = "TIDELINE_"
CONFIG_VARIABLE = "TIDELINE_CONFIG"
NOT_SETTINGS = frozenset({CONFIG_VARIABLE, "TIDELINE_REQUIRE", "TIDELINE_CACHE"})
PRIVACY_KEY_BYTES_MIN = 32
DAY_MS = 86_400_000


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Kafka(_Section):
    """How to reach Kafka."""

    bootstrap_servers: str = "127.0.0.1:9092"
    topic_prefix: str = ""
    partitions: int = Field(4, ge=1, le=1024)
    replication_factor: int = Field(1, ge=1, le=10)
    security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_ca_location: Path | None = None
    session_timeout_ms: int = Field(6_000, ge=3_000, le=300_000)
    transaction_timeout_ms: int = Field(5_000, ge=1_000, le=60_000)


class Worker(_Section):
    """How the exactly-once runtime works."""

    commit_interval_ms: int = Field(50, ge=1, le=5_000)
    checkpoint_interval_ms: int = Field(30_000, ge=100, le=3_600_000)
    checkpoint_events: int = Field(1_000_000, ge=1_000)
    tick_interval_ms: int = Field(1_000, ge=50, le=60_000)
    restore_timeout_ms: int = Field(60_000, ge=1_000, le=900_000)


class Intake(_Section):
    """What intake takes."""

    future_bound_ms: int = Field(DAY_MS, ge=0)
    ancient_bound_ms: int = Field(946_684_800_000, ge=0)
    payload_bytes_max: int = Field(1 << 20, ge=1_024, le=15 << 20)
    log_lines_max: int = Field(250, ge=1, le=10_000)
    log_bytes_max: int = Field(256 * 1024, ge=1_024, le=8 << 20)
    dead_letter_share_max: float = Field(0.5, ge=0, le=1)
    dead_letter_share_window: int = Field(1_000, ge=10, le=100_000)
    dead_letter_run_max: int = Field(1_000, ge=1)


class ClickHouse(_Section):
    """Where outputs are stored: ``chdb:///folder`` or ``clickhouse://user@host:9000/db``."""

    url: str = "chdb:///.tideline/clickhouse"
    database: str = "tideline"
    password_file: Path | None = None
    batch_rows_max: int = Field(50_000, ge=1, le=1_000_000)
    batch_bytes_max: int = Field(32 << 20, ge=1_024)
    batch_age_ms: int = Field(1_000, ge=10, le=60_000)


class MetricsEndpoint(_Section):
    """Where ``/metrics``, ``/healthz`` and ``/readyz`` are served; port 0 is a free one."""

    host: str = "127.0.0.1"
    port: int = Field(0, ge=0, le=65_535)


class Desk(_Section):
    """Where the desk is served; port 0 is a free one."""

    host: str = "127.0.0.1"
    port: int = Field(8088, ge=0, le=65_535)


class Privacy(_Section):
    """The key of the counterparties' pseudonyms: a file of at least 32 bytes."""

    key_file: Path | None = None


class Log(_Section):
    """How to log."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["json", "console"] = "json"


class Settings(BaseSettings):
    """All settings of a process."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    kafka: Kafka = Kafka()
    worker: Worker = Worker()
    intake: Intake = Intake()
    clickhouse: ClickHouse = ClickHouse()
    metrics: MetricsEndpoint = MetricsEndpoint()
    desk: Desk = Desk()
    privacy: Privacy = Privacy()
    log: Log = Log()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then the file."""
        sources: list[PydanticBaseSettingsSource] = [
            init_settings,
            EnvSettingsSource(settings_cls),
        ]
        path = os.environ.get(CONFIG_VARIABLE)
        if path:
            sources.append(TomlConfigSettingsSource(settings_cls, toml_file=Path(path)))
        return tuple(sources)


def load_settings() -> Settings:
    """Read the settings. Raises ``ConfigurationError`` that names every wrong one."""
    path = os.environ.get(CONFIG_VARIABLE)
    if path and not Path(path).is_file():
        raise ConfigurationError(f"{CONFIG_VARIABLE} names {path}, which is not a file")
    sections = {name.upper() for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in NOT_SETTINGS:
            section = name.removeprefix(PREFIX).split("__")[0].upper()
            if section not in sections:
                raise ConfigurationError(
                    f"{name} is not a setting; sections are {', '.join(sorted(sections))}"
                )
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(
            f"{PREFIX}{'__'.join(str(p) for p in e['loc']).upper()}: {e['msg']}"
            for e in error.errors(include_input=False, include_url=False)
        )
        raise ConfigurationError(wrong) from None


def effective_masked(settings: Settings) -> dict[str, Any]:
    """The settings in force, secrets masked."""
    return settings.model_dump(mode="json")


def privacy_key(settings: Settings) -> bytes:
    """The pseudonym key (32 to 64 bytes). Raises ``ConfigurationError`` with the remedy."""
    path = settings.privacy.key_file
    remedy = "create one with `head -c 32 /dev/urandom > FILE` and keep it for good"
    if path is None:
        raise ConfigurationError(f"TIDELINE_PRIVACY__KEY_FILE is not set; {remedy}")
    try:
        key = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"TIDELINE_PRIVACY__KEY_FILE: {error}; {remedy}") from None
    if len(key) < PRIVACY_KEY_BYTES_MIN:
        raise ConfigurationError(
            f"TIDELINE_PRIVACY__KEY_FILE {path} has {len(key)} bytes, at least "
            f"{PRIVACY_KEY_BYTES_MIN} are needed; {remedy}"
        )
    return key[:64]
