"""Bytewax: ``stateful_map`` by merchant, one worker.

With ``--recovery`` state and positions are snapshot into its recovery store every 10 s (its default
epoch); without, nothing is kept over a restart, which no other peer here allows itself. Decoding in
whole batches, as its performance advice has it (``flat_map_batch``), 1,000 messages a poll, which
is its default for throughput.
"""

import os
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main

from bench.peers.tally import BROKER, TOPICS, Tally, Total, add

EPOCH = timedelta(seconds=10)
Keyed = tuple[str, tuple[int, int]]


class Counting(StatelessSinkPartition[tuple[str, Total]]):
    """Counts what comes out."""

    def __init__(self) -> None:
        self._tally = Tally()

    def write_batch(self, items: list[tuple[str, Total]]) -> None:
        """Every item is one processed event."""
        for merchant, total in items:
            if self._tally.note(merchant, total):
                self._tally.report()
                os._exit(0)


class CountingSink(DynamicSink[tuple[str, Total]]):
    """The sink of the flow: one partition."""

    def build(self, step_id: str, worker_index: int, worker_count: int) -> Counting:
        """One per worker."""
        return Counting()


def decode(messages: list[KafkaSourceMessage]) -> list[Keyed]:
    """Merchant, time and amount of a batch."""
    found = []
    for message in messages:
        event = orjson.loads(message.value)
        found.append((event["merchant_id"], (event["occurred_at"], event.get("amount") or 0)))
    return found


def total(state: Total | None, event: tuple[int, int]) -> tuple[Total, Total]:
    """The merchant's new total, as state and as output."""
    found = add(state, *event)
    return found, found


def main() -> None:
    """Consume until the backlog or the time is used up."""
    flow = Dataflow("totals")
    source = op.input("in", flow, KafkaSource([BROKER], TOPICS, tail=True, batch_size=1000))
    keyed = op.flat_map_batch("decode", source, decode)
    op.output("out", op.stateful_map("total", keyed, total), CountingSink())
    if "--recovery" not in sys.argv:
        run_main(flow)
        return
    with tempfile.TemporaryDirectory(prefix="bench-bytewax-") as folder:
        init_db_dir(Path(folder), 1)
        run_main(flow, epoch_interval=EPOCH, recovery_config=RecoveryConfig(folder))


if __name__ == "__main__":
    main()
