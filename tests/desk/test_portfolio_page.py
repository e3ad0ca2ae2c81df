"""The page of the portfolio: figures per currency, a funder's own part, cohorts, vintages."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk import portfolio
from desk import portfolio_queries as queries
from desk.scope import EVERYTHING, Scope
from schemas.outputs import FunderShare, Reason
from sinks.embedded import EmbeddedEngine
from tests.desk.conftest import Store
from tests.desk.credit_desk import CreditDesk, credit, log, words
from tests.sinks.outputs import DAY_MS, START_MS, alert, assessment, limit_change

__all__ = ["credit", "log"]


def rated(merchant: str, exposure: int, probability: float | None, **over: Any) -> Any:
    fields = {
        "assessment_id": f"as-{merchant}-{over.get('as_of', START_MS)}",
        "merchant_id": merchant,
        "as_of": START_MS,
        "exposure_minor": exposure,
        "probability_of_default": probability,
        "horizon_days": 90,
        **over,
    }
    return assessment(1, **fields)


def line(merchant: str, limit: int, drawn: int, shares: dict[str, int], **over: Any) -> Any:
    fields = {
        "decision_id": f"d-{merchant}-{over.get('version', 1)}",
        "line_id": f"line-{merchant}",
        "merchant_id": merchant,
        "version": 1,
        "action": "open",
        "previous_limit_minor": 0,
        "new_limit_minor": limit,
        "drawn_minor": drawn,
        "decided_at": START_MS,
        "effective_at": START_MS,
        "product": "flex-90",
        "region": "north",
        "funders": [FunderShare(funder=f, limit_minor=part) for f, part in shares.items()],
        **over,
    }
    return limit_change(1, **fields)


@pytest.fixture
def shared(store: Store) -> None:
    """Two lines that own and partner carry, one of another funder, one in another currency."""
    store(
        rated("m-1", 100_000, 0.10, segment="retail"),
        rated("m-2", 300_000, 0.02, segment="wholesale"),
        rated("m-3", 50_000, None, segment="retail"),
        rated("m-4", 7_000, 0.5, currency="USD", segment="retail"),
        line("m-1", 200_000, 100_000, {"own": 150_000, "partner": 50_000}, segment="retail"),
        line("m-2", 400_000, 300_000, {"own": 400_000}, region="south"),
        line("m-3", 90_000, 50_000, {"rival": 90_000}, segment="retail", product="deep-30"),
        line("m-4", 9_000, 7_000, {"own": 9_000}, currency="USD", segment="retail"),
    )


def test_an_empty_store_says_what_to_run(credit: CreditDesk) -> None:
    assert "Nothing is stored yet: no merchant has been assessed" in credit.text("/portfolio")
    assert credit.get("/portfolio/series").json() == {
        "currency": None,
        "trend": None,
        "vintages": [],
    }


@pytest.mark.usefixtures("shared")
def test_currencies_are_never_added(credit: CreditDesk) -> None:
    text = credit.text("/portfolio")
    assert "4,500.00 CNY exposure" in text, "the most used currency comes first"
    assert "6,900.00 CNY limits in force" in text
    dollars = credit.text("/portfolio?currency=USD")
    assert "70.00 USD exposure" in dollars and "90.00 USD limits in force" in dollars
    assert "77.8 % utilisation" in dollars
    assert "CNY exposure" in credit.text("/portfolio?currency=XXX")


@pytest.mark.usefixtures("shared")
def test_expected_loss_is_probability_times_loss_given_default_times_exposure(
    credit: CreditDesk,
) -> None:
    # 0.65 * (0.10 * 1,000 + 0.02 * 3,000) of 4,500, the unrated merchant counting in exposure only
    text = credit.text("/portfolio")
    assert "104.00 CNY expected loss, 2.3 % of exposure" in text
    assert "1 merchants with 500.00 CNY have no probability yet" in text
    assert "retail 2 merchants 1,500.00 CNY 33.3 %" in text
    assert "65.00 CNY 4.3 % of it" in text


@pytest.mark.usefixtures("shared")
def test_figures_agree_with_the_views_of_the_store(engine: EmbeddedEngine) -> None:
    cells = queries.cells(engine, EVERYTHING, "CNY")
    dimensions = portfolio.by_dimension(cells, queries.lines(engine, EVERYTHING, "CNY"))
    ours = {(name, row["name"]): row for name, rows in dimensions.items() for row in rows}
    seen = set()
    for view, lent, granted in (
        ("portfolio_exposure", "exposure_minor", "granted_minor"),
        ("portfolio_limits", "drawn_minor", "limit_minor"),
    ):
        for row in engine.query(f"SELECT * FROM {view} WHERE currency = 'CNY'"):
            found = ours[row["dimension"], row["name"]]
            assert found["exposure"] == pytest.approx(row[lent])
            assert found["granted"] == pytest.approx(row[granted])
            assert found["loss"] == pytest.approx(row.get("expected_loss_minor", found["loss"]))
            seen.add((row["dimension"], row["name"]))
    assert seen == ours.keys()
    made = {each.dimension: each for each in portfolio.concentration(cells, dimensions)}
    stored = engine.query("SELECT * FROM portfolio_concentration WHERE currency = 'CNY'")
    assert {row["dimension"] for row in stored} == made.keys()
    for row in stored:
        each = made[row["dimension"]]
        assert each.herfindahl_index == pytest.approx(row["herfindahl_index"])
        assert each.largest_share == pytest.approx(row["largest_share"])
        assert (each.largest, each.names) == (row["largest"], row["names"])


@pytest.mark.usefixtures("shared")
def test_a_funder_sees_its_part_of_its_merchants_and_nothing_else(credit: CreditDesk) -> None:
    text = credit.become("pat", "viewer", "partner").text("/portfolio")
    # a quarter of the one line: 250 of 1,000 drawn, 500 of 2,000 granted, at a probability of 0.10
    assert "250.00 CNY exposure" in text and "500.00 CNY limits in force" in text
    assert "16.25 CNY expected loss" in text
    assert "m-1" in text
    for foreign in ("m-2", "m-3", "m-4", "wholesale", "rival", "own", "deep-30", "USD", "south"):
        assert f" {foreign} " not in text, foreign
    asked = credit.get("/portfolio/series?currency=USD").json()
    assert asked["currency"] == "CNY"
    assert asked["trend"]["exposure"][-1] == pytest.approx(250.0)
    nobody = credit.become("eve", "viewer", "unknown")
    assert "Nothing is stored yet" in nobody.text("/portfolio")


@pytest.mark.usefixtures("shared")
def test_parts_of_funders_sum_to_the_whole(engine: EmbeddedEngine) -> None:
    def of(scope: Scope) -> dict[str, Any]:
        return portfolio.totals(queries.cells(engine, scope, "CNY"))

    funders = ("own", "partner", "rival")
    parts = [of(Scope((funder,))) for funder in funders]
    together, whole = of(Scope(funders)), of(EVERYTHING)
    for figure in ("exposure", "granted", "loss"):
        assert sum(part[figure] for part in parts) == pytest.approx(whole[figure])
        assert together[figure] == pytest.approx(whole[figure])


def test_what_is_drawn_of_a_frozen_line_is_still_its_funders(
    store: Store, engine: EmbeddedEngine
) -> None:
    store(
        rated("m-1", 80_000, 0.2),
        line("m-1", 200_000, 80_000, {"own": 150_000, "partner": 50_000}),
        line("m-1", 0, 80_000, {}, version=2, action="freeze", previous_limit_minor=200_000),
    )
    found = portfolio.totals(queries.cells(engine, Scope(("partner",)), "CNY"))
    assert found["exposure"] == pytest.approx(20_000)
    assert found["granted"] == 0


def test_trend_has_exposure_and_open_alerts_at_the_end_of_each_day(
    credit: CreditDesk, store: Store
) -> None:
    store(
        rated("m-1", 10_000, 0.1, as_of=START_MS - 90 * DAY_MS),
        rated("m-1", 30_000, 0.1, as_of=START_MS - 2 * DAY_MS),
        rated("m-2", 5_000, 0.1, as_of=START_MS - DAY_MS),
        rated("m-1", 0, 0.1, as_of=START_MS),
        alert(
            1,
            merchant_id="m-1",
            opened_at=START_MS - 70 * DAY_MS,
            updated_at=START_MS - 70 * DAY_MS,
        ),
        alert(
            2, merchant_id="m-2", opened_at=START_MS - 3 * DAY_MS, updated_at=START_MS - 3 * DAY_MS
        ),
        alert(
            2,
            merchant_id="m-2",
            opened_at=START_MS - 3 * DAY_MS,
            updated_at=START_MS - DAY_MS,
            version=2,
            state="closed",
            outcome="cured",
        ),
    )
    trend = credit.get("/portfolio/series").json()["trend"]
    assert len(trend["day_s"]) == portfolio.TREND_DAYS
    assert trend["day_s"][-1] * 1000 == START_MS // DAY_MS * DAY_MS
    assert trend["exposure"][0] == 100.0, "what was before the first day stands on it"
    assert trend["exposure"][-4:] == [100.0, 300.0, 350.0, 50.0]
    assert trend["open_alerts"][0] == 1
    assert trend["open_alerts"][-4:] == [2, 2, 1, 1]


def test_vintages_agree_with_the_view_of_the_store(
    credit: CreditDesk, store: Store, engine: EmbeddedEngine
) -> None:
    month = 31 * DAY_MS
    store(
        *(
            line(f"m-{n}", 10_000, 0, {"own": 10_000}, decided_at=START_MS + n // 3 * month)
            for n in range(9)
        ),
        rated("m-0", 0, None, as_of=START_MS + month, outcome="late_30"),
        rated("m-0", 0, None, as_of=START_MS + 2 * month, outcome="defaulted"),
        rated("m-4", 0, None, as_of=START_MS + 2 * month, outcome="defaulted"),
        rated("m-8", 0, 0.1, as_of=START_MS + 4 * month),
    )
    made = portfolio.vintages(
        queries.vintage_rows(engine, EVERYTHING), queries.latest_month(engine)
    )
    ours = {
        (each.month, n): (each.late[n], each.defaulted[n], each.merchants)
        for each in made
        for n in range(len(each.late))
    }
    stored = {
        (str(row["opened_month"])[:7], row["months_on_book"]): (
            row["late_share"],
            row["defaulted_share"],
            row["merchants"],
        )
        for row in engine.query("SELECT * FROM vintages")
    }
    assert ours == stored and len(stored) > 6
    text = credit.text("/portfolio")
    assert "2023-11 3 0.0 % 0.0 % 33.3 % 0.0 % 33.3 % 33.3 %" in text


def test_a_funders_vintages_keep_the_merchants_that_failed(
    engine: EmbeddedEngine, store: Store
) -> None:
    store(
        line("m-1", 10_000, 5_000, {"partner": 10_000}),
        line("m-1", 0, 5_000, {}, version=2, action="freeze"),
        line("m-2", 10_000, 0, {"own": 10_000}),
        rated("m-1", 5_000, None, outcome="defaulted"),
    )
    rows = queries.vintage_rows(engine, Scope(("partner",)))
    assert [(row["merchants"], row["bad"]) for row in rows] == [(1, 0)]


def test_cohorts_show_their_struck_share_to_who_sees_all(credit: CreditDesk, store: Store) -> None:
    said = Reason(
        code="cohort_region",
        text="31 of 100 merchants of north have a new alert",
        feature="cohort_struck_share",
        value=0.31,
        usual=0.04,
    )
    store(
        rated("m-1", 100, 0.1),
        line("m-1", 200, 100, {"partner": 200}),
        alert(3, merchant_id="cohort:region:north", kind="cohort_region", reasons=[said]),
        alert(4, merchant_id="m-1"),
    )
    text = credit.text("/portfolio")
    assert "north Region 31 of 100 merchants of north have a new alert 31.0 % usually 4.0 %" in text
    assert "1 alerts 1 of 1 merchants 1.00 CNY" in text
    bounded = credit.become("pat", "viewer", "partner").text("/portfolio")
    assert "31 of 100" not in bounded and "shown to those who see all" in bounded


def test_the_page_reads_in_chinese(credit: CreditDesk, shared: None) -> None:
    credit.client.cookies.set("tideline_language", "zh")
    text = words(credit.get("/portfolio"))
    assert "敞口" in text and "预期损失" in text and "赫芬达尔指数" in text
    assert "Exposure" not in text and "Vintages" not in text


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdefghijklmnopq"),
            st.sampled_from("xyz"),
            st.integers(1, 50),
            st.integers(0, 50),
            st.integers(0, 10**9),
        ),
        unique_by=lambda each: each[:2],
    )
)
def test_the_map_loses_no_merchant(found: list[tuple[str, str, int, int, int]]) -> None:
    rows = [
        {
            "segment": segment,
            "region": region,
            "merchants": merchants,
            "alerted": min(alerted, merchants),
            "open_alerts": alerted,
            "exposure": float(exposure),
        }
        for segment, region, merchants, alerted, exposure in found
    ]
    made = portfolio.cohort_map(rows)
    cells = [cell for line in made.cells for cell in line if cell is not None]
    assert sum(c.merchants for c in cells) + made.left_out == sum(r["merchants"] for r in rows)
    assert len(made.segments) <= portfolio.MAP_NAMES_MAX
    assert all((cell.heat > 0) == (cell.alerted > 0) for cell in cells)
    assert all(cell.heat <= portfolio.HEAT_LEVELS for cell in cells)


@given(
    st.lists(
        st.tuples(
            st.integers(24_000, 24_030), st.integers(-1, 40), st.integers(-1, 40), st.integers(1, 9)
        )
    ),
    st.integers(24_000, 24_040),
)
def test_vintages_never_fall_and_end_at_the_latest_month(
    found: list[tuple[int, int, int, int]], latest: int
) -> None:
    rows = [
        {"opened": opened, "late": late, "bad": bad, "merchants": merchants}
        for opened, late, bad, merchants in found
    ]
    for each in portfolio.vintages(rows, latest):
        for curve in (each.late, each.defaulted):
            assert curve == sorted(curve)
            assert curve[0] >= 0 and curve[-1] <= 1
        assert len(each.late) == len(each.defaulted) >= 1


def test_months_are_named_by_the_calendar() -> None:
    assert portfolio.month_name(2023 * 12 + 1) == "2023-01"
    assert portfolio.month_name(2023 * 12 + 12) == "2023-12"
