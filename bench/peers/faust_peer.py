"""Plain Faust: an agent per event and a table, as its documentation writes it.

At least once, changelog on, table in memory, no web server, warnings only.
"""

import os

import faust

from bench.peers.tally import BROKER, NAME, PARTITIONS, TOPICS, Tally, add


def main() -> None:
    """Consume until the backlog or the time is used up."""
    app = faust.App(
        NAME,
        broker=f"kafka://{BROKER}",
        store="memory://",
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        topic_partitions=PARTITIONS,
    )
    source = app.topic(*TOPICS, value_serializer="json", key_serializer="raw")
    table = app.Table("totals", default=lambda: None, partitions=PARTITIONS)
    tally = Tally()

    @app.agent(source)  # type: ignore[untyped-decorator]
    async def total(stream: faust.Stream) -> None:
        async for event in stream:
            merchant = event["merchant_id"]
            found = add(table[merchant], event["occurred_at"], event.get("amount") or 0)
            table[merchant] = found
            if tally.note(merchant, found):
                tally.report()
                os._exit(0)

    worker = faust.Worker(app, loglevel="warning", redirect_stdouts=False)
    worker.execute_from_commandline()


if __name__ == "__main__":
    main()
