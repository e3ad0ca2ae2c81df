"""``webhooks``: alerts and limit changes to other systems and people."""

import threading
from collections.abc import Callable
from typing import Annotated

import typer

from ops.settings import Settings, load_settings
from tideline.console import show
from tideline.service import Service, service

TURN_S = 0.1


def webhooks(
    check: Annotated[
        bool, typer.Option("--check", help="check the file of endpoints and end")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Deliver alerts and limit changes to the endpoints of TIDELINE_WEBHOOKS__FILE."""
    from sinks.webhooks.courier import group_id
    from sinks.webhooks.targets import load_targets

    settings = load_settings()
    targets = load_targets(settings.webhooks.file)
    if check:
        groups = {t.endpoint.name: group_id(settings, t.endpoint) for t in targets}
        show({"endpoints": len(targets), "groups": groups}, as_json=json, title="Webhooks")
        return
    with service(settings, "webhooks") as process:
        funders_of = _funders(settings, any(t.endpoint.filter.funders for t in targets))
        _deliver(process, targets, funders_of)


def _funders(settings: Settings, needed: bool) -> Callable[[str], frozenset[str]]:
    """The funders of a merchant's lines, of ClickHouse, which is opened only where it is needed."""
    if not needed:
        return lambda _merchant_id: frozenset()
    from sinks.engine import open_engine

    engine = open_engine(settings.clickhouse)

    def funders_of(merchant_id: str) -> frozenset[str]:
        rows = engine.query(
            "SELECT DISTINCT funder FROM merchant_funders WHERE merchant_id = {merchant_id:String}",
            {"merchant_id": merchant_id},
        )
        return frozenset(str(row["funder"]) for row in rows)

    return funders_of


def _deliver(process: Service, targets, funders_of) -> None:  # type: ignore[no-untyped-def]
    """A thread for each endpoint, until told to stop; the first that cannot go on ends them all."""
    from sinks.webhooks.courier import Courier

    failed: list[BaseException] = []
    couriers = [
        Courier(process.settings, t, process.metrics, process.health, funders_of=funders_of)
        for t in targets
    ]

    def run(courier: Courier) -> None:
        try:
            while not process.stop.is_set():
                courier.run_once(TURN_S)
        except BaseException as error:
            failed.append(error)
            process.stop.set()
        finally:
            courier.close()

    threads = [threading.Thread(target=run, args=(courier,)) for courier in couriers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
