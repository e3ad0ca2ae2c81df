"""``tideline rules``: the list, checks of files, and what each rule says of a merchant."""

import json
from pathlib import Path

import pytest

from detectors.rule_document import markdown
from tests.cli.test_commands import DAY_MS, START, outputs, tideline, trade, write
from tests.detectors.rulebook import BOOK, KINDS, TEXT
from tests.detectors.test_rule_file import SMALL

LAST = START + 120 * DAY_MS
AT = str(LAST + 12 * DAY_MS)


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """A merchant that stops selling after 120 days, among others that go on."""
    lines = [*trade("quiet", 120), *(e for n in range(4) for e in trade(f"m{n}", 140))]
    return write(tmp_path / "e.ndjson", sorted(lines, key=lambda e: e["occurred_at"]))


def test_the_rules_are_listed_for_machines_and_for_people(tmp_path: Path) -> None:
    listed = json.loads(tideline("rules", "--json", cwd=tmp_path).stdout)
    assert listed["version"] == BOOK.version
    assert tuple(rule["kind"] for rule in listed["rules"]) == KINDS
    assert {"label", "rationale", "feeds", "levels", "hold", "source"} <= set(listed["rules"][0])
    assert tideline("rules", "--markdown", cwd=tmp_path).stdout == markdown(BOOK)
    assert "$defs" in json.loads(tideline("rules", "--schema", cwd=tmp_path).stdout)
    table = tideline("rules", cwd=tmp_path, COLUMNS="250").stdout
    assert "sales_silence" in table and "经营停摆" in table


def test_a_check_passes_good_files_and_ends_with_two_on_bad_ones(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(TEXT, "utf-8")
    wrong = SMALL.replace("ge: 0.2}", "ge: 20}").replace("dispute_share_28d, ge", "disputes, ge")
    (tmp_path / "bad.yaml").write_text(wrong, "utf-8")
    done = tideline("rules", "check", "good.yaml", cwd=tmp_path)
    assert done.returncode == 0 and f"good.yaml: sentinels-3, {len(KINDS)} rules" in done.stdout
    done = tideline("rules", "check", "good.yaml", "bad.yaml", cwd=tmp_path)
    assert done.returncode == 2
    said = done.stderr.splitlines()
    assert said[0].startswith("bad.yaml: line 14: `rules.0.levels.0.tests.0.ge` is 20, but")
    assert all(line.startswith("bad.yaml: line ") for line in said) and len(said) == 3
    done = tideline("rules", "check", "--json", "bad.yaml", cwd=tmp_path)
    assert done.returncode == 2
    (file,) = json.loads(done.stdout)["files"]
    assert [fault["line"] for fault in file["faults"]] == [14, 33, 35]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["check"], "Missing argument"),
        (["check", "absent.yaml"], "no such file"),
        (["check", "."], "is a folder"),
        (["check", "latin.yaml"], "is not UTF-8 at byte 0"),
        (["explain", "m1", "--at", "soon", "e.ndjson"], "is no time"),
        (["explain", "nobody", "--at", AT, "e.ndjson"], "no event of merchant 'nobody'"),
        (["explain", "m1", "--at", AT, "--rules", "bad.yaml", "e.ndjson"], "bad.yaml: line 1: "),
    ],
)
def test_wrong_usage_ends_with_two_and_names_the_remedy(
    tmp_path: Path, events: Path, arguments: list[str], says: str
) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"\xe9")
    (tmp_path / "bad.yaml").write_text("version: x\n", "utf-8")
    done = tideline("rules", *arguments, cwd=tmp_path, COLUMNS="200")
    assert done.returncode == 2, done.stderr
    assert says in done.stderr.replace("\n", "")
    assert "Traceback" not in done.stderr


def test_an_explanation_shows_what_fires_and_which_test_fails(tmp_path: Path, events: Path) -> None:
    done = tideline("rules", "explain", "quiet", "--at", AT, "--json", events.name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["rules_version"] == BOOK.version
    by_kind = {rule["kind"]: rule for rule in found["rules"]}
    assert tuple(by_kind) == KINDS
    silent = by_kind["sales_silence"]
    assert (silent["verdict"], silent["severity"]) == ("fires", "warning")
    critical, warning = silent["levels"]
    assert warning["met"] and not critical["met"]
    assert [test["met"] for test in critical["tests"]] == [False, True]
    assert critical["tests"][0]["value"] == pytest.approx(13, abs=0.01)
    assert by_kind["parcels_lost"]["levels"][0]["tests"][0]["value"] is None
    assert by_kind["repayment_overdue"]["verdict"] == "not"


def test_the_text_shows_the_merchants_numbers(tmp_path: Path, events: Path) -> None:
    done = tideline("rules", "explain", "quiet", "--at", AT, events.name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "sales_silence: fires (warning)" in done.stdout
    assert "silence_days ≥ 21 days: 13 days, not met" in done.stdout
    assert "parcels_lost" not in done.stdout
    done = tideline("rules", "explain", "quiet", "--at", AT, "--every", events.name, cwd=tmp_path)
    assert "lost_share_28d ≥ 15%: not available, not available" in done.stdout


def test_a_rule_file_can_be_tried_and_published_in_a_replay(tmp_path: Path, events: Path) -> None:
    text = TEXT.replace("version: sentinels-3", "version: mine-1").replace(
        "{feature: silence_days, ge: 21}", "{feature: silence_days, ge: 10}"
    )
    (tmp_path / "mine.yaml").write_text(text, "utf-8")
    asked = ("rules", "explain", "quiet", "--at", AT, "--rules", "mine.yaml", "--json", events.name)
    found = json.loads(tideline(*asked, cwd=tmp_path).stdout)
    assert (found["rules_version"], found["rules"][0]["severity"]) == ("mine-1", "critical")
    publication = {
        "type": "policy.publish",
        "event_id": "p1",
        "merchant_id": "*",
        "occurred_at": START,
        "actor": "ann",
        "document": text,
    }
    write(tmp_path / "p.ndjson", [publication])
    replayed = ("replay", "p.ndjson", events.name, "--out", "out", "--partitions", "1")
    done = tideline(*replayed, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    alerts = outputs(tmp_path / "out", "alerts.ndjson")
    critical = [alert for alert in alerts if alert["severity"] == "critical"]
    assert {(a["merchant_id"], a["kind"], a["rules_version"]) for a in critical} == {
        ("quiet", "sales_silence", "mine-1")
    }
