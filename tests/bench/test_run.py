"""Options, figures and report of the benchmark."""

import pytest
from typer.testing import CliRunner

from bench.cluster import Sample, rate
from bench.hosted import Figures
from bench.inprocess import input_records, run_intake
from bench.latency import quantiles
from bench.peers.launch import PEERS, PeerResult
from bench.report import render
from bench.run import PARTS, plan_of, quick
from bench.stages import PACKAGES, in_process, profiled, stage_figures
from bench.throughput import peer_figures, ratios
from bench.workload import events
from ops.errors import ConfigurationError, FatalError
from tideline.cli import app


def test_a_plan_follows_its_options() -> None:
    plan = plan_of(count=50_000, merchants=100, rate=500, seconds=7, parts="latency, growth")
    assert (plan.events, plan.merchants, plan.rate, plan.seconds) == (50_000, 100, 500, 7)
    assert plan.parts == ("latency", "growth")
    assert max(plan.growth_merchants) == 100_000
    million = plan_of(count=50_000, merchants=100, rate=500, seconds=7, million=True)
    assert max(million.growth_merchants) == 1_000_000
    assert million.parts == PARTS


def test_a_quick_plan_measures_less_of_the_same_parts() -> None:
    whole = plan_of(count=1_000_000, merchants=20_000, rate=20_000, seconds=30)
    short = quick(whole)
    assert short.events < whole.events
    assert short.rate == whole.rate
    assert set(short.parts) < set(whole.parts)
    assert quick(plan_of(count=1, merchants=1, rate=1, seconds=1, parts="peers")).parts == (
        "peers",
    )


def test_an_unknown_part_is_named() -> None:
    with pytest.raises(ConfigurationError, match="speed"):
        plan_of(count=1, merchants=1, rate=1, seconds=1, parts="latency,speed")
    done = CliRunner().invoke(app, ["bench", "--events", "5"])
    assert done.exit_code == 2


def test_the_rate_is_taken_between_samples_within_the_drain() -> None:
    samples = [Sample(0.0, 0), Sample(1.0, 100), Sample(3.0, 500), Sample(9.0, 1_000)]
    assert rate(samples, 1_000) == pytest.approx(200)
    later = [*samples[:-1], Sample(4.0, 600), Sample(9.0, 1_000)]
    assert rate(later, 1_000, after=300) == pytest.approx(100)
    with pytest.raises(FatalError, match="--events"):
        rate([Sample(0.0, 0), Sample(1.0, 100), Sample(2.0, 1_000)], 1_000)


def test_quantiles_say_what_they_rest_on() -> None:
    found = quantiles([float(value) for value in range(1, 1_001)])
    assert (found["p50"], found["count"], found["max"]) == (500.5, 1_000, 1_000.0)
    assert found["p50"] < found["p99"] < found["p999"]
    with pytest.raises(FatalError, match="longer"):
        quantiles([1.0])


def test_a_peer_without_a_figure_gives_null_and_its_reason() -> None:
    found = peer_figures({"bytewax": PeerResult(error="no wheel"), "quix_streams": PeerResult()})
    assert found["peers"] == {"bytewax": None, "quix_streams": None}
    assert found["peers_errors"] == {"bytewax": "no wheel"}


def test_ratios_leave_out_what_was_not_measured() -> None:
    result = {
        "scoring_events_per_s": 300,
        "peers": {"faust_table": 3, "bytewax": 100, "quix_streams": 50, "kafka_streams": None},
    }
    found = ratios(result)
    assert found["scoring_over_best_python_peer"] == 3.0
    assert found["scoring_over_best_durable_python_peer"] == 6.0
    assert found["scoring_over_faust"] == 100.0
    assert found["scoring_over_kafka_streams"] is None
    assert found["intake_over_faust"] is None


def test_stages_add_up_to_the_whole() -> None:
    figures = Figures(take_s=2.0, drain_s=0.5, tick_s=0.1, commit_s=1.0, wall_s=5.0)
    found = stage_figures(figures, 1_000_000)
    assert found.pop("total_us") == 5.0
    assert sum(found.values()) == pytest.approx(5.0)


def test_in_process_figures_cover_every_piece() -> None:
    found = in_process(events(3_000, 20, seed=1))
    assert found["engine_events_per_s"] > 0
    assert found["assessments_due_per_1000_events"] > 0
    scoring = found["stages_in_process"]["scoring"]
    pieces = ("decode_us", "features_us", "assessments_us", "encode_us")
    assert all(scoring[name] >= 0 for name in pieces)
    assert scoring["total_us"] > 0
    assert set(scoring["assessments_by_package"]) <= {f"{name}_us" for name in PACKAGES}
    assert any("intake" in name for name in found["stages_in_process"]["intake"]["profile"])


def test_a_profile_counts_built_in_functions_for_their_caller() -> None:
    records = input_records(events(500, 20, seed=1))
    found = profiled(lambda: run_intake(records))
    assert sum(found["packages"].values()) == pytest.approx(1.0)
    assert set(found["packages"]) <= set(PACKAGES)


RESULT = {
    "date": "2026-01-02",
    "machine": "2 cores, 24 GB, Python 3.11.7",
    "kafka": "4.1.0",
    "events": 1_000_000,
    "merchants": 20_000,
}


def test_a_report_has_a_table_only_for_what_was_measured() -> None:
    text = render(RESULT)
    assert "2026-01-02" in text
    assert "1,000,000 events of 20,000 merchants" in text
    assert "|" not in text


def test_a_report_shows_every_figure_of_its_result() -> None:
    delay = {"p50": 41.0, "p99": 142.0, "p999": 243.0, "max": 300.0, "count": 4_444}
    text = render(
        RESULT
        | {
            "scoring_events_per_s": 311_111,
            "together_events_per_s": {"one_worker": 71_234, "two_workers": 98_765},
            "peers": {"kafka_streams": 51_234, "bytewax": None},
            "peers_events": {"kafka_streams": 600_000},
            "peers_errors": {"bytewax": "no | wheel\nhere"},
            "scoring_over_kafka_streams": 6.1,
            "stages_on_kafka": {"intake": {"take_us": 1.25}, "scoring": {"take_us": 2.75}},
            "latency_by_rate": [
                {
                    "sent": {"events_per_s": 19_998},
                    "held": False,
                    "alert_ms": delay,
                    "assessment_ms": delay,
                    "application_ms": delay,
                }
            ],
            "takeover_s": 6.3,
            "growth": [
                {
                    "merchants": 1_000,
                    "events": 601_000,
                    "events_per_s": 222_222,
                    "rss_bytes_per_merchant": 7_777,
                    "changelog_bytes_per_merchant": 555,
                    "checkpoint_bytes_per_s": 123_456,
                    "commit_pause_ms": {"p99": 44.0},
                    "restore_s": 1.5,
                    "restore_replayed_share": 0.25,
                },
                {"merchants": 1_000_000, "error": "does not fit into free memory"},
            ],
        }
    )
    for figure in (
        *("311,111", "71,234", "98,765", "51,234", "no / wheel here", "6.1 ×", "1.25", "2.75"),
        *("41 ms", "142 ms", "243 ms", "4444", "19,998 events/s (not held)", "6.3 s", "222,222"),
        *("7,777", "555", "123,456", "44 ms", "1.5 s", "25.0%", "1,000,000 merchants"),
    ):
        assert figure in text, figure


def test_every_peer_has_a_name_in_the_report() -> None:
    text = render(RESULT | {"peers": dict.fromkeys(PEERS, 1_000)})
    for name in PEERS:
        assert f"| {name} |" not in text
