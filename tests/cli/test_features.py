"""``tideline features``: the catalogue, and a merchant's values with the events behind them."""

import json
from pathlib import Path

import pytest

from features.catalogue import CATALOGUE
from features.document import markdown
from tests.cli.test_commands import DAY_MS, START, tideline, trade, write

AT = "2025-08-08T00:00:00+08:00"
AT_MS = 1_754_582_400_000


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """A merchant with daily orders, two of them refunded, and a neighbour."""
    refunds = [
        {
            "type": "order.refunded",
            "event_id": f"r{day}",
            "merchant_id": "m",
            "occurred_at": START + day * DAY_MS,
            "ordered_at": START + (day - 3) * DAY_MS,
            "amount": 40_000,
            "currency": "CNY",
        }
        for day in (45, 46)
    ]
    lines = sorted([*trade("m", 90), *trade("shop", 90), *refunds], key=lambda e: e["occurred_at"])
    return write(tmp_path / "e.ndjson", lines)


def test_the_catalogue_is_written_for_machines_and_for_people(tmp_path: Path) -> None:
    catalogue = json.loads(tideline("features", "--json", cwd=tmp_path).stdout)
    assert [row["name"] for row in catalogue] == [feature.name for feature in CATALOGUE]
    for row, feature in zip(catalogue, CATALOGUE, strict=True):
        assert row["money"] == feature.money and row["label_zh"] == feature.label_zh
    named = {"name", "unit", "windows", "direction", "label", "family", "formula", "types", "feeds"}
    assert named <= set(catalogue[0])
    assert tideline("features", "--markdown", cwd=tmp_path).stdout == markdown()
    table = tideline("features", cwd=tmp_path, COLUMNS="300").stdout
    assert "turnover_28d_minor" in table and "近28天净销售额" in table


def test_each_value_is_explained_by_its_events(tmp_path: Path, events: Path) -> None:
    asked = ("features", "explain", "m", "--at", AT, "--events", "3", "--json", events.name)
    done = tideline(*asked, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["merchant_id"], found["as_of"], found["currency"]) == ("m", AT_MS, "CNY")
    shown = {feature["name"]: feature for feature in found["features"]}
    assert len(shown) + len(found["unavailable"]) == len(CATALOGUE)
    sales = shown["turnover_28d_minor"]
    by_type = {total["type"]: total for total in sales["evidence"]["by_type"]}
    assert by_type["order.refunded"] == {
        "type": "order.refunded",
        "count": 2,
        "amount_minor": 80_000,
    }
    assert sales["value"] == by_type["order.paid"]["amount_minor"] - 80_000
    assert shown["sales_count_28d"]["value"] == by_type["order.paid"]["count"]
    assert sales["evidence"]["last_at"] <= AT_MS
    assert len(sales["evidence"]["event_ids"]) == 3
    assert (sales["unit"], sales["label_zh"]) == ("minor", "近28天净销售额")


def test_the_text_shows_money_usual_and_events(tmp_path: Path, events: Path) -> None:
    done = tideline("features", "explain", "m", "--at", str(AT_MS), events.name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "m as of 2025-08-07T16:00:00+00:00: segment unspecified, currency CNY" in done.stdout
    assert "turnover_28d_minor: 27,200.00 CNY" in done.stdout
    assert "28 order.paid of 28,000.00 CNY, 2 order.refunded of 800.00 CNY" in done.stdout
    assert "Not available: " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["shoq", "--at", AT, "e.ndjson"], "did you mean 'shop'"),
        (["m", "--at", "2020-01-01T00:00:00Z", "e.ndjson"], "no event up to --at"),
        (["m", "--at", "soon", "e.ndjson"], "'soon' is no time; give RFC 3339"),
        (["m", "--at", "2025-08-08", "e.ndjson"], "has no zone"),
        (["m", "--at", "1754582400", "e.ndjson"], "epoch milliseconds"),
        (["m", "--at", AT, "absent.ndjson"], "no such file"),
        (["m", "--at", AT], "Missing argument"),
        (["m", "e.ndjson"], "--at"),
    ],
)
def test_wrong_usage_ends_with_two_and_names_the_remedy(
    tmp_path: Path, events: Path, arguments: list[str], says: str
) -> None:
    done = tideline("features", "explain", *arguments, cwd=tmp_path, COLUMNS="200")
    assert done.returncode == 2, done.stderr
    assert says in done.stderr.replace("\n", "")
    assert "Traceback" not in done.stderr
