"""Commands as a user runs them: their results, their errors, their exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from ops.model_keys import create_key_files
from schemas.documents import render
from streams.artifacts import builtin_policy
from tideline.sources.sample import sample_path

DAY_MS = 86_400_000
START = 1_750_000_000_000


def tideline(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder of its own."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TIDELINE_")}
    return subprocess.run(
        [sys.executable, "-m", "tideline.cli", *arguments],
        cwd=cwd,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def write(path: Path, events: list[dict]) -> Path:
    """Events as NDJSON."""
    path.write_bytes(b"".join(msgspec.json.encode(e) + b"\n" for e in events))
    return path


def trade(merchant: str, days: int, amount: int = 100_000) -> list[dict]:
    """Steady daily sales."""
    return [
        {
            "type": "order.paid",
            "event_id": f"{merchant}-{day}",
            "merchant_id": merchant,
            "occurred_at": START + day * DAY_MS,
            "amount": amount,
            "currency": "CNY",
        }
        for day in range(days)
    ]


def outputs(folder: Path, name: str) -> list[dict]:
    """Lines of one output file."""
    return [msgspec.json.decode(line) for line in (folder / name).read_bytes().splitlines()]


def test_replay_of_the_sample_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for out in ("one", "two"):
        done = tideline("replay", str(sample_path()), "--out", out, "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    activations = summary["outputs"].get("risk.models", 0)
    assert summary["accepted"] - activations == summary["input_lines"] > 10_000
    one = tmp_path / "one"
    names = sorted(str(p.relative_to(one)) for p in one.rglob("*") if p.is_file())
    expected = {"assessments", "alerts", "limit-changes", "dead-letters"}
    assert {f"{n}.ndjson" for n in expected} | {"summary.json"} <= set(names)
    for name in names:
        first, second = tmp_path / "one" / name, tmp_path / "two" / name
        assert first.read_bytes() == second.read_bytes(), name
    changes = outputs(tmp_path / "one", "limit-changes.ndjson")
    assert {c["action"] for c in changes} >= {"open", "increase", "decrease"}
    assert all(c["reasons"] and c["causes"] for c in changes)


def test_bad_lines_become_dead_letters_that_name_file_and_line(tmp_path: Path) -> None:
    path = write(tmp_path / "events.ndjson", trade("m", 2))
    path.write_bytes(path.read_bytes() + b'{"type":"order.paid"}\nnot json\n')
    done = tideline("replay", "events.ndjson", "--out", "out", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    letters = outputs(tmp_path / "out", "dead-letters.ndjson")
    assert [(x["topic"], x["offset"], x["reason"]) for x in letters] == [
        ("events.ndjson", 3, "missing_field"),
        ("events.ndjson", 4, "not_json"),
    ]


def test_duplicates_are_dropped_and_counted_and_change_no_decision(tmp_path: Path) -> None:
    once = trade("m", 90) + trade("n", 90)
    once.sort(key=lambda e: e["occurred_at"])
    write(tmp_path / "once.ndjson", once)
    write(tmp_path / "twice.ndjson", [e for event in once for e in (event, event)])
    for name in ("once", "twice"):
        done = tideline("replay", f"{name}.ndjson", "--out", name, "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["scoring"]["duplicates"] == len(once)
    for name in ("assessments", "alerts", "limit-changes"):
        file = f"{name}.ndjson"
        assert (tmp_path / "once" / file).read_bytes() == (tmp_path / "twice" / file).read_bytes()


def test_a_published_policy_governs_from_its_place_in_the_log(tmp_path: Path) -> None:
    sales = trade("m", 200)
    publication = {
        "type": "policy.publish",
        "event_id": "p1",
        "merchant_id": "*",
        "occurred_at": START + 100 * DAY_MS,
        "actor": "ann",
        "document": builtin_policy("working-capital-2.yaml"),
    }
    write(tmp_path / "e.ndjson", [*sales[:100], publication, *sales[100:]])
    done = tideline("replay", "e.ndjson", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = outputs(tmp_path / "out", "assessments.ndjson")
    versions = [a["policy_version"] for a in found if a["merchant_id"] == "m"]
    assert versions[0] == "working-capital-1"
    assert versions[-1] == "working-capital-2"
    assert versions == sorted(versions)


def test_a_desk_freeze_wins_over_everything_automatic(tmp_path: Path) -> None:
    events = trade("m", 150)
    freeze = {
        "type": "merchant.freeze",
        "event_id": "f1",
        "merchant_id": "m",
        "occurred_at": START + 100 * DAY_MS,
        "actor": "ann",
        "reason": "court order",
    }
    write(tmp_path / "e.ndjson", [*events[:100], freeze, *events[100:]])
    done = tideline("replay", "e.ndjson", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    changes = outputs(tmp_path / "out", "limit-changes.ndjson")
    assert changes[-1]["action"] == "freeze"
    assert (changes[-1]["actor"], changes[-1]["new_limit_minor"]) == ("ann", 0)
    assert [c["version"] for c in changes] == list(range(1, len(changes) + 1))


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (["publish", "nothing.ndjson"], {}, "no such file"),
        (["replay", "nothing.ndjson"], {}, "no such file"),
        (["replay", __file__], {}, "unknown kind of file"),
        (["publish", str(sample_path()), "--speed", "-5"], {}, "--speed"),
        (["worker", "--roles", "cook"], {}, "--roles"),
        (["worker", "--roles", "shadow"], {}, "a challenger needs --roles shadow and --policy"),
        (["worker", "--roles", "shadow", "--policy", "x"], {}, "no policy that ships"),
        (["worker", "--policy", "working-capital-2"], {}, "runs alone"),
        (["doctor"], {"TIDELINE_KAFKA__BOOTSTRAP": "x"}, "TIDELINE_KAFKA__BOOTSTRAP"),
        (["worker"], {"TIDELINE_KAFKA__PARTITIONS": "many"}, "TIDELINE_KAFKA__PARTITIONS"),
        (["worker"], {}, "TIDELINE_PRIVACY__KEY_FILE"),
        (["worker", "--roles", "scoring"], {}, "TIDELINE_MODELS__TRUSTED_KEYS_FILE is not set"),
        (["learner"], {}, "TIDELINE_MODELS__SIGNING_KEY_FILE is not set"),
        (["learner"], {"TIDELINE_MODELS__SIGNING_KEY_FILE": "none.pem"}, "openssl genpkey"),
    ],
)
def test_wrong_usage_ends_with_two_and_names_the_remedy(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], says: str
) -> None:
    done = tideline(*arguments, cwd=tmp_path, **environment)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr.replace("\n", "")
    assert "Traceback" not in done.stderr


def test_doctor_says_what_does_not_answer_and_fails(tmp_path: Path) -> None:
    done = tideline(
        "doctor", "--json", cwd=tmp_path, TIDELINE_KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:1"
    )
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert not result["ok"]
    assert result["checks"]["python"]["ok"]
    assert result["checks"]["kernel"]["ok"]
    assert not result["checks"]["kafka"]["ok"]
    assert "head -c 32" in result["checks"]["privacy_key"]["detail"]
    assert "-pubout" in result["checks"]["model_keys"]["detail"]


def test_doctor_names_the_keys_that_are_trusted(tmp_path: Path) -> None:
    done = tideline("doctor", "--json", cwd=tmp_path, **create_key_files(tmp_path))
    answer = json.loads(done.stdout)["checks"]["model_keys"]
    assert answer["ok"] and answer["detail"].startswith("1 trusted")


def test_schemas_are_written_for_machines(tmp_path: Path) -> None:
    assert tideline("schema", "--out", "docs", cwd=tmp_path).returncode == 0
    for name, text in render().items():
        assert (tmp_path / "docs" / name).read_text("utf-8") == text


def test_the_demo_takes_real_orders_to_decisions_in_clickhouse(tmp_path: Path) -> None:
    done = tideline(
        *("demo", "--exit-when-done", "--json", "--limit", "6000"),
        cwd=tmp_path,
        TIDELINE_DESK__PORT="0",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout)
    assert result["published"] == 6000
    assert result["stored"]["assessments"] > 1000
    assert result["stored"]["limit_changes"] > 0
    assert result["stored"]["dead_letters"] == 0
    assert result["lending_core"]["booked"] > 0
    assert result["lending_core"]["refused"] == 0
    assert result["desk"].startswith("http://127.0.0.1:")
