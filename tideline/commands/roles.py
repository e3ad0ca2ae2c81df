"""``worker``, ``learner``, ``monitor``, ``sink``, ``desk``: the long-running roles."""

from functools import partial
from typing import Annotated

import typer

from ops.errors import ConfigurationError
from ops.settings import Settings, load_settings, privacy_key
from tideline.service import Service, run_hosts, service

ROLES = ("intake", "scoring", "treasury")
SHADOW = "shadow"


def worker(
    roles: Annotated[
        str, typer.Option(help="of intake, scoring, treasury; or shadow alone")
    ] = ",".join(ROLES),
    policy: Annotated[
        str | None,
        typer.Option(help="with --roles shadow: the challenger's file, or one that ships"),
    ] = None,
) -> None:
    """Run intake, scoring and treasury (or some of them), exactly once, until stopped."""
    from streams.model_keys import keyring_of

    if roles.strip() == SHADOW or policy is not None:
        _shadow(roles, policy)
        return
    chosen = [role.strip() for role in roles.split(",") if role.strip()]
    unknown = [role for role in chosen if role not in ROLES]
    if unknown or not chosen:
        raise ConfigurationError(f"--roles is {roles!r}; choose from {', '.join(ROLES)}")
    settings = load_settings()
    key = privacy_key(settings) if "intake" in chosen else b""
    keyring_of(settings)
    with service(settings, "worker") as process:
        _check_partitions(settings)
        run_hosts(process, [_host(role, process, key) for role in chosen])


def _host(role: str, process: Service, key: bytes):  # type: ignore[no-untyped-def]
    from streams.artifacts import KafkaArtifacts
    from streams.intake_host import IntakeHost
    from streams.scoring_host import ScoringHost
    from streams.treasury_host import TreasuryHost

    def build() -> IntakeHost | ScoringHost | TreasuryHost:
        artifacts = KafkaArtifacts(process.settings)
        if role == "intake":
            return IntakeHost(process.settings, process.metrics, artifacts, key)
        if role == "treasury":
            return TreasuryHost(process.settings, process.metrics, artifacts)
        beat = partial(process.health.beat, role)
        return ScoringHost(process.settings, process.metrics, artifacts, beat)

    return build


def _shadow(roles: str, policy: str | None) -> None:
    """A challenger policy, in a process of its own: its figures are not those of scoring."""
    from streams.artifacts import KafkaArtifacts
    from streams.model_keys import keyring_of
    from streams.shadow_host import ShadowHost, role_of
    from tideline.commands.backtest import contenders

    if policy is None or roles.strip() != SHADOW:
        raise ConfigurationError(
            f"--roles is {roles!r}, --policy is {policy!r}; a challenger needs --roles "
            f"{SHADOW} and --policy FILE, and runs alone"
        )
    settings = load_settings()
    (challenger,) = contenders([policy])
    keyring_of(settings)
    with service(settings, SHADOW) as process:
        _check_partitions(settings)
        artifacts = KafkaArtifacts(settings)
        beat = partial(process.health.beat, role_of(challenger.name))
        run_hosts(
            process,
            [lambda: ShadowHost(settings, process.metrics, artifacts, challenger.text, beat)],
        )


def _check_partitions(settings: Settings) -> None:
    """A partition count other than Kafka's would split merchants over two partitions."""
    from schemas import topics
    from streams.reading import partitions_of

    for topic in (*topics.INPUT_TOPICS, topics.EVENTS):
        found = partitions_of(settings, topic)
        if found != settings.kafka.partitions:
            raise ConfigurationError(
                f"topic {topic} has {found} partitions, TIDELINE_KAFKA__PARTITIONS is "
                f"{settings.kafka.partitions}; they must be equal for every topic"
            )


def learner() -> None:
    """Learn from outcomes and publish model versions (one process)."""
    from streams.learner_host import LearnerHost
    from streams.model_keys import signer_of

    settings = load_settings()
    signer = signer_of(settings)
    with service(settings, "learner") as process:
        run_hosts(process, [lambda: LearnerHost(process.settings, process.metrics, signer)])


def monitor(
    declare: Annotated[
        bool, typer.Option(help="create the tables' topics; the embedded broker does it itself")
    ] = True,
) -> None:
    """Run the Faust monitors of the portfolio and the feeds."""
    from streams.monitor import run_monitor

    with service(load_settings(), "monitor") as process:
        run_monitor(
            process.settings, process.metrics, process.health, process.stop, declare=declare
        )


def sink() -> None:
    """Store outputs in ClickHouse."""
    from sinks.engine import open_engine
    from sinks.migrate import migrate
    from sinks.sink import Sink

    settings = load_settings()
    with service(settings, "sink") as process:
        engine = open_engine(settings.clickhouse)
        migrate(engine)
        Sink(settings, engine, process.metrics, process.health).run(process.stop)
        engine.close()
