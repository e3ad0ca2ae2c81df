"""``tideline backtest`` as a user runs it."""

import json
from pathlib import Path
from typing import Any

from streams.artifacts import builtin_policy
from tests.cli.test_commands import DAY_MS, START, tideline, trade, write


def lending(merchant: str, kind: str, day: int, **fields: Any) -> dict[str, Any]:
    """An event of the merchant's only loan."""
    return {
        "type": kind,
        "event_id": f"{merchant}-{kind}-{day}",
        "merchant_id": merchant,
        "occurred_at": START + day * DAY_MS + DAY_MS // 2,
        "loan_id": f"loan-{merchant}",
        **fields,
    }


def portfolio(tmp_path: Path, amount: int = 100_000) -> Path:
    """Three merchants that trade well, draw after 120 days and repay, but for the last."""
    events = []
    for number in range(3):
        merchant = f"m{number}"
        events += trade(merchant, 240, amount)
        drawn = {"amount": 600_000, "currency": "CNY"}
        events.append(lending(merchant, "loan.disbursed", 120, **drawn))
        if number < 2:
            events.append(lending(merchant, "repayment.received", 180, **drawn))
            events.append(lending(merchant, "loan.settled", 180))
        else:
            events.append(lending(merchant, "loan.defaulted", 200))
    events.sort(key=lambda event: event["occurred_at"])
    return write(tmp_path / "events.ndjson", events)


def test_two_policies_over_the_same_events_are_compared_in_money(tmp_path: Path) -> None:
    file = portfolio(tmp_path)
    policies = ("--policy", "working-capital-1", "--policy", "working-capital-2")
    arguments = ("backtest", str(file), *policies, "--out", "out", "--json")
    done = tideline(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["loans_ended"], found["loans_defaulted"]) == (3, 1)
    (currency,) = found["currencies"]
    totals = currency["totals_minor"]
    assert list(totals) == [
        "working-capital-1",
        "working-capital-2",
        "never-change",
        "late-cut",
        "static-score",
    ]
    first, stricter = totals["working-capital-1"], totals["working-capital-2"]
    assert first["funded"] > stricter["funded"] > 0
    assert first["loss"] > stricter["loss"] > 0
    assert stricter["loss_avoided"] > first["loss_avoided"]
    assert found["behaviour"]["working-capital-1"]["actions"]["open"] == 3
    page = (tmp_path / "out" / "backtest.html").read_text("utf-8")
    assert "Credit loss" in page and "working-capital-2" in page and "http" not in page
    written = json.loads((tmp_path / "out" / "backtest.json").read_bytes())
    assert written["currencies"] == found["currencies"]
    again = json.loads(tideline(*arguments, cwd=tmp_path).stdout)
    cost = ("seconds", "events_per_s", "peak_memory_bytes")
    assert {k: v for k, v in again.items() if k not in cost} == {
        k: v for k, v in found.items() if k not in cost
    }


def behaviour(tmp_path: Path, file: Path, *more: str) -> dict[str, Any]:
    """How the lines moved under a policy that asks people, and under one that does not."""
    policies = ("--policy", "portfolio-1", "--policy", "working-capital-1")
    done = tideline("backtest", str(file), *policies, "--no-naive", "--json", *more, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_people_approve_what_is_proposed_some_time_later(tmp_path: Path) -> None:
    file = portfolio(tmp_path, 10_000_000)
    found = behaviour(tmp_path, file)
    assert found["approve_after_hours"] == 24
    asks, free = (found["behaviour"][name] for name in ("portfolio-1", "working-capital-1"))
    assert asks["approvals"] == asks["approvals_granted"] >= 3
    assert asks["actions"]["open"] == 3 and asks["actions"]["increase"] >= 3
    assert (free["approvals"], free["approvals_granted"]) == (0, 0)
    alone = behaviour(tmp_path, file, "--policy", "working-capital-2", "--approve-after", "0")
    others = (alone["behaviour"][name] for name in ("working-capital-1", "portfolio-1"))
    assert next(others) == free, "approvals under one policy are no business of another"
    assert next(others)["approvals_granted"] >= asks["approvals_granted"]


def test_what_nobody_approves_in_time_is_counted_and_moves_nothing(tmp_path: Path) -> None:
    file = portfolio(tmp_path, 10_000_000)
    found = behaviour(tmp_path, file, "--approve-after", "169")  # the policy waits 7 days
    waits, free = (found["behaviour"][name] for name in ("portfolio-1", "working-capital-1"))
    assert waits["approvals"] >= 3 and waits["actions"] == {"open": 3}
    assert waits["approvals_granted"] == free["approvals"] == 0
    assert free["actions"] == {"open": 3, "increase": 9}
    page = (tmp_path / "backtest-out" / "backtest.html").read_text("utf-8")
    assert "of which approved" in page


def test_a_policy_with_an_error_is_refused_with_its_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(builtin_policy().replace("override_days:", "override_dayz:"), "utf-8")
    file = write(tmp_path / "events.ndjson", trade("m", 2))
    done = tideline("backtest", str(file), "--policy", str(bad), cwd=tmp_path)
    assert done.returncode == 2
    assert "override_dayz" in done.stderr and "line" in done.stderr


def test_an_unknown_policy_and_one_given_twice_are_usage_errors(tmp_path: Path) -> None:
    file = write(tmp_path / "events.ndjson", trade("m", 2))
    done = tideline("backtest", str(file), "--policy", "no-such", cwd=tmp_path)
    assert done.returncode == 2
    assert "no-such" in done.stderr
    twice = ("--policy", "working-capital-1") * 2
    done = tideline("backtest", str(file), *twice, cwd=tmp_path)
    assert done.returncode == 2
    assert "given twice" in done.stderr
