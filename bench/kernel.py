"""What a kernel step, a vector and a page cost: ``python -m bench.kernel [EVENTS] [MERCHANTS]``."""

import sys
import time
from collections.abc import Callable
from typing import Any

import cramjam
import numpy as np

from bench.workload import DAY_MS, events
from features import kernel, vector
from features.catalogue import NAMES
from features.engine import EngineConfig, FeatureEngine
from features.index import MerchantIndex
from features.layout import ROW
from features.scan import scan


class Timed:
    """A function that keeps account of the time spent in it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.seconds = 0.0

    def __call__(self, *args: Any) -> Any:
        start = time.perf_counter()
        try:
            return self.function(*args)
        finally:
            self.seconds += time.perf_counter() - start


def measure(count: int, merchants: int, days: int) -> dict[str, float]:
    """Figures of one run over ``days`` of trade, micro-batches of 2,000 lines."""
    raw = [value for _, _, value in events(count, merchants, 1, span_ms=days * DAY_MS)]
    records = [b"\n".join(raw[i : i + 2000]) for i in range(0, count, 2000)]
    start = time.perf_counter()
    engine = FeatureEngine(EngineConfig())
    compile_s = time.perf_counter() - start
    step, compute = kernel.step, vector.compute
    timed_step, timed_vector = Timed(step), Timed(compute)
    start = time.perf_counter()
    batches = [scan(record) for record in records]
    scan_s = time.perf_counter() - start
    index = MerchantIndex()
    start = time.perf_counter()
    for batch in batches:
        index.lookup_or_add(batch.rows, batch.raw)
    index_s = time.perf_counter() - start
    kernel.step, vector.compute = timed_step, timed_vector  # type: ignore[assignment]
    start = time.perf_counter()
    try:
        dues = sum(1 for batch in batches for _ in engine.run(batch))
    finally:
        kernel.step, vector.compute = step, compute
    total_s = time.perf_counter() - start
    slots = np.arange(min(merchants, 256))
    out = np.empty((slots.size, len(NAMES)))
    start = time.perf_counter()
    vector.compute(engine._rows, engine._state, slots, engine.high, out)
    batch_s = time.perf_counter() - start
    pages = [engine.export_page(p) for p in range(engine.page_count)]
    packed = sum(len(cramjam.zstd.compress(page, level=1)) for page in pages)
    return {
        "compile_s": compile_s,
        "scan_us_per_event": scan_s / count * 1e6,
        "index_us_per_event": index_s / count * 1e6,
        "step_us_per_event": timed_step.seconds / count * 1e6,
        "total_us_per_event": total_s / count * 1e6,
        "dues": dues,
        "vector_us_per_due": timed_vector.seconds / dues * 1e6,
        "vector_us_in_a_sweep": batch_s / slots.size * 1e6,
        "row_bytes": ROW.itemsize,
        "page_bytes_per_merchant": sum(map(len, pages)) / len(engine.index),
        "packed_bytes_per_merchant": packed / len(engine.index),
    }


def main() -> None:
    """A day of many merchants, then a quarter of few."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 600_000
    merchants = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    for days, each in ((1, merchants), (92, merchants // 10)):
        print(f"{count:,} events of {each:,} merchants over {days} days")
        for name, value in measure(count, each, days).items():
            print(f"  {name:28} {value:,.3f}")


if __name__ == "__main__":
    main()
