"""Quix Streams: one stateful step over the concatenated topics.

At least once (its default and its faster guarantee), state in RocksDB with a changelog topic,
commits every 5 s as its default has it, larger fetches and lz4 for the changelog, warnings only.
"""

import os
import tempfile
from typing import Any

from quixstreams import Application, State

from bench.peers.tally import BROKER, NAME, TOPICS, Tally, add


def main() -> None:
    """Consume until the backlog or the time is used up."""
    tally = Tally()

    with tempfile.TemporaryDirectory(prefix="bench-quix-") as folder:
        app = Application(
            broker_address=BROKER,
            consumer_group=NAME,
            auto_offset_reset="earliest",
            state_dir=folder,
            commit_interval=5.0,
            loglevel="WARNING",
            consumer_extra_config={"fetch.min.bytes": 1, "queued.max.messages.kbytes": 65_536},
            producer_extra_config={"linger.ms": 50, "compression.type": "lz4"},
        )

        def step(event: dict[str, Any], state: State) -> None:
            found = state.get("total")
            total = add(
                None if found is None else tuple(found),
                event["occurred_at"],
                event.get("amount") or 0,
            )
            state.set("total", total)
            if tally.note(event["merchant_id"], total):
                tally.report()
                os._exit(0)

        frames = [
            app.dataframe(app.topic(name, key_deserializer="str", value_deserializer="json"))
            for name in TOPICS
        ]
        frame = frames[0]
        for other in frames[1:]:
            frame = frame.concat(other)
        frame.update(step, stateful=True)
        app.run()


if __name__ == "__main__":
    main()
