"""Settings: ``TIDELINE_…`` variables, or the TOML file that ``TIDELINE_CONFIG`` names.

Nested names are joined by two underscores: ``TIDELINE_KAFKA__BOOTSTRAP_SERVERS``. A name that does
not exist is an error at start, not a setting that silently does nothing.
"""

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from ops.errors import ConfigurationError

PREFIX = "TIDELINE_"
CONFIG_VARIABLE = "TIDELINE_CONFIG"
NOT_SETTINGS = frozenset(
    {CONFIG_VARIABLE, "TIDELINE_REQUIRE", "TIDELINE_CACHE", "TIDELINE_SCREENSHOTS"}
)
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

    @model_validator(mode="after")
    def _sasl_is_whole(self) -> Self:
        named = {
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_username": self.sasl_username,
            "sasl_password": self.sasl_password,
        }
        if self.security_protocol.startswith("sasl_"):
            without_password = self.sasl_mechanism in ("GSSAPI", "OAUTHBEARER")
            missing = [] if without_password else [n for n, v in named.items() if v is None]
            if missing:
                raise ValueError(f"{self.security_protocol} needs {', '.join(missing)}")
        elif any(value is not None for value in named.values()):
            # librdkafka would ignore them and connect without authentication.
            raise ValueError("sasl_… settings need security_protocol sasl_plaintext or sasl_ssl")
        return self


class Worker(_Section):
    """How the exactly-once runtime works."""

    commit_interval_ms: int = Field(50, ge=1, le=5_000)
    checkpoint_interval_ms: int = Field(30_000, ge=100, le=3_600_000)
    checkpoint_events: int = Field(1_000_000, ge=1_000)
    tick_interval_ms: int = Field(1_000, ge=50, le=60_000)
    restore_timeout_ms: int = Field(60_000, ge=1_000, le=900_000)


class Scoring(_Section):
    """When scoring looks at a merchant; of a log that has been scored it stays as it is.

    ``close_hours`` is the length of a bucket at whose close an active merchant is assessed, and
    ``event_trigger_gap_ms`` the least time between two assessments that events call for.
    """

    close_hours: Literal[1, 2, 3, 4, 6, 8, 12, 24] = 24
    event_trigger_gap_ms: int = Field(3_600_000, ge=0, le=7 * DAY_MS)
    lateness_ms: int = Field(3_600_000, ge=0, le=7 * DAY_MS)


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
    """Where outputs are stored: ``chdb:///folder`` (absolute), ``chdb://folder`` (relative to the
    working directory) or ``clickhouse://user@host:9000/db``."""

    url: str = "chdb://.tideline/clickhouse"
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
    """Where the desk is served (port 0 is a free one), and who may come in: docs/desk-access.md.

    ``one_time_login`` prints an address that opens one session; by default where there is no
    ``users_file``. ``allowed_hosts`` are further names that the desk answers to, between commas.
    ``hours_per_day`` is what the queue is cut at, unless a viewer chooses otherwise. The queue is
    ranked in ``base_currency`` (default: that of most alerts); ``rates`` are its major units for
    one of each other currency, as in ``{"USD": 7.1}``. ``backtests_folder`` has summaries of
    ``tideline backtest``, which the page of policies shows.
    """

    host: str = "127.0.0.1"
    port: int = Field(8088, ge=0, le=65_535)
    users_file: Path | None = None
    one_time_login: bool | None = None
    secure_cookies: bool = False
    allowed_hosts: str = ""
    hours_per_day: float = Field(6.0, ge=0, le=24)
    base_currency: str | None = Field(None, pattern="^[A-Z]{3}$")
    rates: dict[str, float] = {}
    backtests_folder: Path | None = None


class Webhooks(_Section):
    """The file of endpoints that ``tideline webhooks`` delivers to, see docs/webhooks.md."""

    file: Path | None = None


class Privacy(_Section):
    """The key of the counterparties' pseudonyms: a file of at least 32 bytes."""

    key_file: Path | None = None


class Models(_Section):
    """Keys of the models' signatures: PEM files, see ``ops.model_keys``."""

    signing_key_file: Path | None = None
    trusted_keys_file: Path | None = None


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
    scoring: Scoring = Scoring()
    clickhouse: ClickHouse = ClickHouse()
    metrics: MetricsEndpoint = MetricsEndpoint()
    desk: Desk = Desk()
    webhooks: Webhooks = Webhooks()
    privacy: Privacy = Privacy()
    models: Models = Models()
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
        if name.upper().startswith(PREFIX) and name.upper() not in NOT_SETTINGS:
            section = name[len(PREFIX) :].split("__")[0].upper()
            if section not in sections:
                raise ConfigurationError(
                    f"{name} is not a setting; sections are {', '.join(sorted(sections))}"
                )
    try:
        return Settings()
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False)
        wrong = "; ".join(_explain(e["loc"], e["type"], e["msg"], path) for e in details)
        raise ConfigurationError(wrong) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from None
    except SettingsError:
        # Only a whole section in one variable is parsed as JSON.
        raise ConfigurationError(
            f"a {PREFIX}… section is not a JSON object; set its fields one by one, such as "
            f"{PREFIX}KAFKA__PARTITIONS"
        ) from None


def _variable(*path: str) -> str:
    return PREFIX + "__".join(path).upper()


def _explain(loc: tuple[int | str, ...], kind: str, message: str, path: str | None) -> str:
    """One wrong setting, named the way it was given."""
    parts = [str(part) for part in loc]
    variable = _variable(*parts)
    given = {name.upper() for name in os.environ}
    from_file = path and not any(n == variable or n.startswith(f"{variable}__") for n in given)
    name = f"{path}: {'.'.join(parts)}" if from_file else variable
    if kind != "extra_forbidden":
        return f"{name}: {message}"
    known = [
        _variable(section, field)
        for section, annotated in Settings.model_fields.items()
        for field in annotated.annotation.model_fields  # type: ignore[union-attr]
    ]
    near = difflib.get_close_matches(variable, known, n=1) if len(parts) > 1 else []
    return f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else "")


def effective_masked(settings: Settings) -> dict[str, Any]:
    """The settings in force as JSON types, secrets masked (a password in a URL too)."""
    found = settings.model_dump(mode="json")
    found["clickhouse"]["url"] = re.sub(
        r"(?<=://)([^:@/]*):.*@", r"\1:**********@", found["clickhouse"]["url"]
    )
    return found


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
