"""``tideline evaluate`` as a user runs it, on made-up events."""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_commands import DAY_MS, START, tideline, write

MERCHANTS = 60


def borrowers() -> list[dict[str, Any]]:
    """Borrowers of whom those that repay late are likelier to default, each at its own time."""
    rng = random.Random(3)
    events = []
    for i in range(MERCHANTS):
        name, bad = f"m{i}", i % 4 == 0
        begins = START + i * DAY_MS

        def tell(
            kind: str, day: float, begins: int = begins, name: str = name, **more: Any
        ) -> None:
            at = begins + round(day * DAY_MS)
            events.append(
                {
                    "type": kind,
                    "event_id": f"{name}-{kind}-{at}",
                    "merchant_id": name,
                    "occurred_at": at,
                    **more,
                }
            )

        money = {"amount": 100_000, "currency": "CNY"}
        loan = {"loan_id": f"l-{name}"}
        tell("merchant.registered", 0, segment="north" if i % 2 else "south", currency="CNY")
        tell("loan.disbursed", 1, **loan, amount=400_000, currency="CNY")
        for month in range(1, 4):
            due = {"due_at": begins + month * 30 * DAY_MS}
            tell("repayment.due", month * 30, **loan, **due, **money)
            late = rng.gauss(6 if bad else 2, 3)
            tell("repayment.received", month * 30 + max(late, 0), **loan, **due, **money)
        tell("loan.defaulted" if bad else "loan.settled", 150, **loan)
    return sorted(events, key=lambda e: e["occurred_at"])


def test_other_data_is_judged_and_the_report_keeps_what_people_wrote(tmp_path: Path) -> None:
    write(tmp_path / "events.ndjson", borrowers())
    page = tmp_path / "quality.md"
    page.write_text("of an earlier run\n\n## Findings\nLate payers are late.\n")
    asked = ("evaluate", "events", "events.ndjson", "--seeds", "2", "--report", "quality.md")
    done = tideline(*asked, "--split", "entity", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert (found["withheld"], found["refused"]) == (MERCHANTS, 0)
    entity, time = found["results"]
    assert (entity["split"], time["split"]) == ("entity", "time")
    assert (entity["cases"], entity["bad"]) == (MERCHANTS, MERCHANTS // 4)
    for result in found["results"]:
        figures = result["figures"]
        lateness = figures["last-lateness"]["roc_auc"]
        assert lateness["mean"] > 0.65 and lateness["low"] < lateness["mean"] < lateness["high"]
        assert abs(figures["random"]["roc_auc"]["mean"] - 0.5) < 0.2
        assert len(figures["champion"]["roc_auc"]["seeds"]) == 2
        assert figures["champion"]["lead_time_days"]["mean"] == 30
        assert 0 < figures["adaptive-forest"]["log_loss"]["mean"] < 5
    text = page.read_text()
    assert "of an earlier run" not in text and text.endswith("## Findings\nLate payers are late.\n")
    assert "last-lateness" in text
    html = (tmp_path / "evaluate-out" / "report.html").read_text()
    assert html.count("<svg") == 8
    assert not re.search(r"(?:src|href)=\"(?!#)", html)


@pytest.mark.parametrize(
    ("late", "asked_after_days", "known_after_days", "says"),
    [
        ("m9", -1, 0, "answer of merchant 'm9'"),
        ("all", 1, 2, "'exposure_minor' (by value)"),
        ("all", -1, 0, None),
    ],
)
def test_a_planted_leak_ends_with_one_and_its_name(
    tmp_path: Path, late: str, asked_after_days: int, known_after_days: int, says: str | None
) -> None:
    """Asked a day after the outcome, which is then among the features; or known before it."""
    write(tmp_path / "events.ndjson", borrowers())
    rows = ["merchant_id,as_of,label,known_at"]
    for i in range(MERCHANTS):
        outcome = START + (i + 150) * DAY_MS
        asked_at = outcome + asked_after_days * DAY_MS + (2 * DAY_MS if f"m{i}" == late else 0)
        rows.append(f"m{i},{asked_at},{int(i % 4 == 0)},{outcome + known_after_days * DAY_MS}")
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    asked = ("evaluate", "events", "events.ndjson", "--labels", "labels.csv", "--seeds", "1")
    done = tideline(*asked, "--candidate", "production", cwd=tmp_path, COLUMNS="300")
    assert done.returncode == (0 if says is None else 1), done.stderr
    assert says is None or says in done.stderr.replace("\n", " ")


def test_wrong_usage_names_the_remedy(tmp_path: Path) -> None:
    for arguments, says in (
        (("nothing",), "is no data set; use sme-default"),
        (("events",), "needs event files"),
        (("sme-default", "--data", "absent"), "no such file"),
        (("sme-default", "--candidate", "oracle"), "--candidate 'oracle': use production"),
    ):
        done = tideline("evaluate", *arguments, cwd=tmp_path, COLUMNS="200")
        assert done.returncode == 2, done.stderr
        assert says in done.stderr.replace("\n", " ")


def test_simulated_merchants_are_judged_and_join_the_report(tmp_path: Path) -> None:
    done = tideline(
        *("evaluate", "simulated", "--merchants", "15", "--days", "35", "--seeds", "1"),
        *("--share-bad", "0.6", "--report", "quality.md", "--json"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)
    assert (result["merchants"], result["seeds"], result["refused"]) == (15, 1, 0)
    assert sum(kind["merchants"] for kind in result["kinds"]) >= 5
    page = (tmp_path / "evaluate-out" / "report.html").read_text("utf-8")
    assert "Simulated merchants" in page
    assert "## Simulated merchants" in (tmp_path / "quality.md").read_text("utf-8")
