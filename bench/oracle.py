"""Every feature of the engine against exact arithmetic over the raw events.

``python -m bench.oracle [--histories N] [--seed S] [--jobs N]`` checks the histories of the seeds
S, S + 1 ... and ends with 1 if a single value differs.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from streams.machine_code import load_machine_code
from tests.features.oracle.check import Figures, check
from tests.features.oracle.drive import ABSOLUTE, RELATIVE
from tests.features.oracle.generate import generate
from tests.features.oracle.values import OWN

CHUNK = 50
"""Histories that a process takes at a time."""
Faults = list[tuple[int, list[str]]]


def check_seeds(seeds: range) -> tuple[Figures, Faults]:
    """Check the histories of these seeds. Returns what was compared, and faults by seed."""
    figures, faults = Figures(), Faults()
    for seed in seeds:
        checked = check(generate(seed))
        figures.add(checked.figures)
        if checked.faults:
            faults.append((seed, checked.faults))
    return figures, faults


def run(histories: int, seed: int, jobs: int) -> Iterator[tuple[Figures, Faults]]:
    """The outcomes of all histories, in chunks, in order of the seeds."""
    chunks = [
        range(first, min(first + CHUNK, seed + histories))
        for first in range(seed, seed + histories, CHUNK)
    ]
    if jobs == 1:
        yield from map(check_seeds, chunks)
        return
    with ProcessPoolExecutor(jobs, initializer=load_machine_code) as pool:
        yield from pool.map(check_seeds, chunks)


def report(figures: Figures, faults: Faults, seconds: float) -> str:
    """The figures by feature, the totals and the first fault."""
    rows = [f"{'feature':<34}{'compared':>10}{'not NaN':>10}{'largest difference':>20}"]
    for name in OWN:
        count, available = figures.compared[name], figures.available[name]
        rows.append(f"{name:<34}{count:>10}{available:>10}{figures.off.get(name, 0.0):>20.1e}")
    rows += [
        "",
        f"{figures.histories} histories, {figures.lines} lines, {figures.dues} assessments; "
        f"{figures.compared.total()} values compared, {figures.available.total()} of them not NaN, "
        f"in {seconds:.0f} s",
        f"equal: NaN and whole numbers exactly, others to {RELATIVE:g} of their size "
        f"(or {ABSOLUTE:g} where large terms cancel)",
    ]
    missed = [name for name in OWN if not figures.available[name]]
    rows.append(f"never available: {', '.join(missed)}" if missed else "every feature was reached")
    if not faults:
        return "\n".join([*rows, "no difference"])
    seed, first = faults[0]
    rows.append(f"{len(faults)} histories differ; the first is of --seed {seed} --histories 1:")
    return "\n".join([*rows, *first[:10]])


def main(arguments: list[str] | None = None) -> int:
    """Check, print, and say by the exit code whether all is equal."""
    parser = argparse.ArgumentParser(prog="python -m bench.oracle", description=__doc__)
    parser.add_argument("--histories", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args(arguments)
    if options.histories < 1 or options.jobs < 1:
        parser.error("--histories and --jobs must be 1 or more")
    figures, faults = Figures(), Faults()
    start = time.perf_counter()
    for some, wrong in run(options.histories, options.seed, options.jobs):
        figures.add(some)
        faults += wrong
    print(report(figures, faults, time.perf_counter() - start))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
