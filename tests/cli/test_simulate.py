"""``tideline simulate`` as a user runs it."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest

from tests.cli.test_commands import tideline

COMMAND = ["simulate", "--merchants", "30", "--days", "25", "--seed", "4", "--share-bad", "0.3"]


def run(folder: Path, *more: str) -> dict:
    """Simulate a little into a folder and return the summary."""
    done = tideline(
        *COMMAND,
        "--json",
        *more,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_is_simulated_replays_without_a_dead_letter(tmp_path: Path) -> None:
    summary = run(tmp_path, "--out", "events.ndjson")
    assert summary["events"] > 1000
    replayed = tideline("replay", "events.ndjson", "--out", "out", "--json", cwd=tmp_path)
    assert replayed.returncode == 0, replayed.stderr
    found = json.loads(replayed.stdout)
    assert (found["input_lines"], found["dead_letters"]) == (summary["events"], {})
    assert found["merchants"] == 30
    assert found["outputs"]["risk.assessments"] > 0


def test_all_endings_hold_the_same_lines_and_the_truth_lies_beside(tmp_path: Path) -> None:
    for name in ("e.ndjson", "e.ndjson.gz", "e.ndjson.zst"):
        run(tmp_path, "--out", name)
    plain = (tmp_path / "e.ndjson").read_bytes()
    assert gzip.decompress((tmp_path / "e.ndjson.gz").read_bytes()) == plain
    with pa.CompressedInputStream(pa.OSFile(str(tmp_path / "e.ndjson.zst")), "zstd") as packed:
        assert packed.read() == plain
    shown = tideline(*COMMAND, "--out", "-", cwd=tmp_path)
    assert shown.stdout.encode() == plain
    truth = (tmp_path / "e.ndjson.truth.ndjson").read_bytes()
    assert truth == (tmp_path / "e.ndjson.gz.truth.ndjson").read_bytes()
    records = [json.loads(line) for line in truth.splitlines()]
    merchants = [record for record in records if "merchant_id" in record]
    assert len(merchants) == 30
    assert any(record["kind"] != "none" and record["onset_at"] for record in merchants)


def test_broken_lines_become_dead_letters_and_nothing_else_does(tmp_path: Path) -> None:
    summary = run(tmp_path, "--out", "e.ndjson", "--malformed-share", "0.05", "--truth", "t.ndjson")
    assert summary["truth_file"] == "t.ndjson"
    assert (tmp_path / "t.ndjson").is_file()
    replayed = tideline("replay", "e.ndjson", "--out", "out", "--json", cwd=tmp_path)
    found = json.loads(replayed.stdout)
    broken = sum(found["dead_letters"].values())
    assert set(found["dead_letters"]) <= {"not_json", "not_an_object"}
    assert 0.03 * summary["events"] < broken < 0.07 * summary["events"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--merchants", "0"], "--merchants"),
        (["--start", "2024-13-01"], "2024-13-01"),
        (["--segments", "bakers"], "bakers"),
        (["--out", "events.csv"], "events.csv"),
        (["--out", "nowhere/events.ndjson"], "nowhere"),
    ],
)
def test_wrong_usage_is_named(tmp_path: Path, arguments: list[str], named: str) -> None:
    done = tideline("simulate", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert named in " ".join(done.stderr.split())
