"""The views of the portfolio on both engines: what they say of a few merchants, by hand."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas import topics
from schemas.codec import encode
from schemas.outputs import Assessment, FunderShare, LimitChange
from sinks.embedded import EmbeddedEngine
from sinks.engine import Engine
from sinks.migrate import migrate
from sinks.rows import TABLES, Record, sort_records
from tests.conftest import require
from tests.sinks.clickhouse_server import Server, missing
from tests.sinks.outputs import assessment, limit_change


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    require("clickhouse", missing())
    running = Server(tmp_path_factory.mktemp("clickhouse-portfolio"))
    yield running
    running.stop()


@pytest.fixture(params=["embedded", "server"])
def filled(request: pytest.FixtureRequest, clickhouse_folder: Any) -> Iterator[Engine]:
    """The rows of ``portfolio`` in either engine."""
    engine: Engine
    if request.param == "embedded":
        engine = EmbeddedEngine(str(clickhouse_folder), "portfolio")
    else:
        engine = request.getfixturevalue("server").engine("portfolio")
    migrate(engine)
    for topic, values in portfolio().items():
        table = TABLES[topic]
        records = [Record(topic, 0, n, 5, b"m", encode(v)) for n, v in enumerate(values)]
        stored = sort_records(table, records)
        assert not stored.rejects
        engine.insert(table.name, table.columns, stored.rows, token=topic)
    yield engine
    engine.execute("DROP DATABASE portfolio")
    engine.close()


def at(month: int) -> int:
    """Noon of the tenth of a month of 2025, in epoch ms."""
    return int(datetime(2025, month, 10, 12, tzinfo=UTC).timestamp() * 1000)


def seen(merchant: str, month: int, segment: str, minor: int, **over: Any) -> Assessment:
    """An assessment with an exposure."""
    fields = {
        "assessment_id": f"as-{merchant}-{month}",
        "merchant_id": merchant,
        "as_of": at(month),
        "segment": segment,
        "exposure_minor": minor,
        "probability_of_default": 0.1,
        "currency": "CNY",
        **over,
    }
    return assessment(1, **fields)


def moved(
    line: str, merchant: str, version: int, month: int, minor: int, **over: Any
) -> LimitChange:
    """A change of a line."""
    fields = {
        "decision_id": f"{line}-{version}",
        "line_id": line,
        "merchant_id": merchant,
        "version": version,
        "action": "open" if version == 1 else "increase",
        "new_limit_minor": minor,
        "drawn_minor": 0,
        "decided_at": at(month),
        "product": "working-capital",
        "region": "north",
        "funders": [FunderShare(funder="own", limit_minor=minor)],
        **over,
    }
    return limit_change(1, **fields)


def portfolio() -> dict[str, list[Any]]:
    """Four merchants, one of them in another currency; b is late and defaults."""
    shared = [FunderShare(funder="own", limit_minor=30), FunderShare(funder="bank", limit_minor=70)]
    return {
        topics.ASSESSMENTS: [
            seen("a", 1, "shop", 5),
            seen("a", 6, "shop", 60),
            seen("b", 3, "shop", 20, outcome="late_30"),
            seen("b", 5, "shop", 20, outcome="defaulted"),
            seen("c", 5, "farm", 20, probability_of_default=None),
            seen("d", 5, "farm", 7, currency="EUR"),
        ],
        topics.LIMIT_CHANGES: [
            moved("a1", "a", 1, 1, 50),
            moved("a1", "a", 2, 2, 80),
            moved("a1", "a", 3, 3, 999, state="proposed", approval="required"),
            moved("b1", "b", 1, 1, 20),
            moved("c1", "c", 1, 4, 100, product="co-lending", funders=shared, drawn_minor=10),
            moved("c2", "c", 1, 4, 0, action="decline", region=None, funders=[]),
        ],
    }


def rows(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    """The values of a query's rows."""
    return [tuple(row.values()) for row in engine.query(query)]


def test_exposure_limits_and_expected_loss_by_segment_and_region(filled: Engine) -> None:
    found = rows(
        filled,
        "SELECT dimension, name, currency, merchants, exposure_minor, granted_minor, utilisation,"
        " expected_loss_minor FROM portfolio_exposure ORDER BY dimension, name, currency",
    )
    assert [row[:6] for row in found] == [
        ("region", "north", "CNY", 3, 100, 200),
        ("region", "unspecified", "EUR", 1, 7, 0),
        ("segment", "farm", "CNY", 1, 20, 100),
        ("segment", "farm", "EUR", 1, 7, 0),
        ("segment", "shop", "CNY", 2, 80, 100),
    ]
    assert [row[6] for row in found] == [0.5, None, 0.2, None, 0.8]
    expected = [0.65 * 8.0, 0.65 * 0.7, 0.0, 0.65 * 0.7, 0.65 * 8.0]
    assert [row[7] for row in found] == pytest.approx(expected)


def test_limits_by_product_and_funder_are_of_what_was_sent_last(filled: Engine) -> None:
    found = rows(
        filled,
        "SELECT dimension, name, lines, limit_minor, drawn_minor FROM portfolio_limits"
        " WHERE limit_minor > 0 ORDER BY dimension, name",
    )
    assert found == [
        ("funder", "bank", 1, 70, 7.0),
        ("funder", "own", 3, 130, 3.0),
        ("product", "co-lending", 1, 100, 10.0),
        ("product", "working-capital", 3, 100, 0.0),
    ]


def test_concentration_is_the_largest_share_and_the_herfindahl_index(filled: Engine) -> None:
    found = {
        row[0]: row[1:]
        for row in rows(
            filled,
            "SELECT dimension, names, largest, largest_share, herfindahl_index"
            " FROM portfolio_concentration WHERE currency = 'CNY'",
        )
    }
    assert found["merchant"][:2] == (3, "a")
    assert found["merchant"][2:] == pytest.approx((0.6, 0.36 + 0.04 + 0.04))
    assert found["funder"][:2] == (2, "own")
    assert found["funder"][2:] == pytest.approx((0.65, 0.65**2 + 0.35**2))
    assert set(found) == {"merchant", "segment", "region", "product", "funder"}


def test_vintages_add_up_by_months_on_book(filled: Engine) -> None:
    found = rows(
        filled,
        "SELECT toString(opened_month), months_on_book, merchants, late_share, defaulted_share"
        " FROM vintages ORDER BY opened_month, months_on_book",
    )
    january = [
        ("2025-01-01", month, 2, 0.5 if month >= 2 else 0.0, 0.5 if month >= 4 else 0.0)
        for month in range(6)
    ]
    april = [("2025-04-01", month, 1, 0.0, 0.0) for month in range(3)]
    assert found == january + april
