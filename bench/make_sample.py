"""Make the bundled sample from the wholesaler's lines: `python -m bench.make_sample LINES OUT`."""

import gzip
import sys
from collections import Counter
from pathlib import Path

import msgspec

from tideline.sources import open_sources


def main(lines: str, out: str) -> None:
    """All resellers as events, in a deterministic archive."""
    records = list(open_sources([lines], "wholesale"))
    body = b"".join(record.value + b"\n" for record in records)
    with Path(out).open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(body)
    types = Counter(msgspec.json.decode(line)["type"] for line in body.splitlines())
    sys.stdout.write(f"{dict(types)}, {Path(out).stat().st_size} bytes\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
