"""The peer: a plain Faust agent with a table, as its documentation writes it.

It keeps a count and a sum per merchant (changelog on, at least once), which is far less than what
scoring does. Prints one JSON line with what it did between its first and its last event.
"""

import json
import os
import sys
import time

import faust

BROKER = os.environ["BENCH_BROKER"]
TOPICS = os.environ["BENCH_TOPICS"].split(",")
PARTITIONS = int(os.environ["BENCH_PARTITIONS"])
SECONDS = float(os.environ["BENCH_SECONDS"])


def main() -> None:
    """Consume for a bounded time, then print the rate."""
    app = faust.App(
        f"bench-faust-{os.getpid()}",
        broker=f"kafka://{BROKER}",
        store="memory://",
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        topic_partitions=PARTITIONS,
    )
    source = app.topic(*TOPICS, value_serializer="json", key_serializer="raw")
    table = app.Table("totals", default=lambda: [0, 0], partitions=PARTITIONS)
    seen = {"events": 0, "first": 0.0, "last": 0.0}

    @app.agent(source)
    async def total(stream: faust.Stream) -> None:
        async for event in stream:
            merchant = event["merchant_id"]
            count, amount = table[merchant]
            table[merchant] = [count + 1, amount + event.get("amount", 0)]
            seen["last"] = time.monotonic()
            seen["first"] = seen["first"] or seen["last"]
            seen["events"] += 1
            if seen["last"] - seen["first"] > SECONDS:
                rate = seen["events"] / (seen["last"] - seen["first"])
                sys.stdout.write(
                    json.dumps({"events": seen["events"], "events_per_s": rate}) + "\n"
                )
                sys.stdout.flush()
                os._exit(0)

    worker = faust.Worker(app, loglevel="warning", redirect_stdouts=False)
    worker.execute_from_commandline()


if __name__ == "__main__":
    main()
