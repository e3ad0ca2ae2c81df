"""The main job on real input through real Kafka: events in, decisions out, stored in ClickHouse."""

import base64
from collections import Counter
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from bench.workload import events
from schemas import topics
from schemas.codec import InvalidEvent, Limits, decode_event
from streams.runtime import wall_clock_ms
from streams.verify import replay_log
from tests.schemas.malformed import MALFORMED, Malformed
from tideline.sources import open_sources
from tideline.sources.sample import sample_path

from .cluster import PARTITIONS

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def records(paths: list[Path], format: str, count: int) -> list[tuple[str, bytes | None, bytes]]:
    """The first events of files as (topic, key, value)."""
    return [
        (r.topic or topics.TRANSACTIONS, r.key, r.value)
        for r in islice(open_sources(paths, format), count)
    ]


def test_real_orders_through_two_workers_equal_a_replay_of_the_captured_log(cluster) -> None:
    published = records([sample_path()], "events", 15_000)
    with cluster() as running:
        for name in ("a", "b"):
            running.start(name, "worker")
        running.publish(published)
        running.drain(len(published))
        counts: Counter[str] = Counter()
        for report in replay_log(running.settings, lambda *_: None, compare=True):
            assert report.equal, f"{report}\n{running.logs()}"
            counts.update(report.outputs)
        assert counts[topics.ASSESSMENTS] > 100


def test_a_backlog_of_many_topics_is_logged_in_the_order_in_which_it_was_published(
    cluster,
) -> None:
    published = events(6_000, 50, seed=7)
    now_ms = wall_clock_ms()
    timed = sorted(
        zip(published, range(now_ms - 6_000, now_ms), strict=True), key=lambda each: each[0][0]
    )
    with cluster() as running:
        running.publish([record for record, _ in timed], [at for _, at in timed])
        for name in ("a", "b"):
            running.start(name, "worker", "--roles", "intake")
        running.wait_logged(len(published))
        order = {msgspec.json.decode(v)["event_id"]: n for n, (_, _, v) in enumerate(published)}
        for partition in range(PARTITIONS):
            logged = [order[str(line["event_id"])] for line in running.log_lines(partition)]
            assert logged == sorted(logged)


def real(format: str, *names: str) -> list[tuple[str, bytes | None, bytes]]:
    """All events of a real data set."""
    if not DATA.is_dir():
        pytest.skip("the real data sets are not here")
    return records([DATA / name for name in names], format, 400_000)


def test_real_invoices_move_lines(cluster) -> None:
    published = real("sme-invoices", "sme_invoices_labelled.parquet", "sme_labels.csv")
    with cluster() as running:
        for name in ("a", "b"):
            running.start(name, "worker")
        running.publish(published)
        running.drain(len(published))
        for report in replay_log(running.settings, lambda *_: None, compare=True):
            assert report.equal, f"{report}\n{running.logs()}"
        changes = [msgspec.json.decode(v) for v in running.values(topics.LIMIT_CHANGES)]
        assert {"open", "increase", "decrease"} <= {c["action"] for c in changes}
        assert all(c["reasons"] and c["causes"] and c["policy_version"] for c in changes)


def test_real_loans_with_the_learner_on_activate_models(cluster) -> None:
    published = real("loans", "loans_previous.parquet", "loans_current.parquet")
    with cluster() as running:
        for name in ("a", "b"):
            running.start(name, "worker")
        running.start("learner", "learner")
        running.publish(published)
        running.drain(len(published))
        running.drain_learner()
        models = [msgspec.json.decode(v)["version"] for v in running.values(topics.MODELS)]
        assert models, "thousands of outcomes must give at least one version"
        running.drain(len(published) + len(models) * PARTITIONS)
        for report in replay_log(running.settings, lambda *_: None, compare=True):
            assert report.equal, f"{report}\n{running.logs()}"
        activated = Counter(
            line["version"] for line in running.log_lines() if line["type"] == "model.activated"
        )
        assert activated == dict.fromkeys(models, PARTITIONS), (
            "each version, once in each partition"
        )


def refused(case: Malformed, limits: Limits) -> str | None:
    """The reason that today's clock gives; None where the corpus' future is past by now."""
    try:
        decode_event(case.raw or b"", now_ms=wall_clock_ms(), limits=limits, privacy_key=bytes(32))
    except InvalidEvent as invalid:
        return invalid.reason
    return None


def test_every_malformed_record_is_a_dead_letter_and_every_good_one_is_processed(cluster) -> None:
    good = records([sample_path()], "events", 2_000)
    bound = 200_000
    limits = Limits(payload_bytes_max=bound)
    cases = [case for case in MALFORMED if case.stage == "decode" and refused(case, limits)]
    assert len(cases) >= 40
    mixed = list(good)
    for number, case in enumerate(cases):
        mixed.insert(number * 5, (case.topic, case.key, case.raw))
    with cluster(
        TIDELINE_INTAKE__DEAD_LETTER_SHARE_MAX="1",
        TIDELINE_INTAKE__PAYLOAD_BYTES_MAX=str(bound),
    ) as running:
        running.start("a", "worker")
        running.publish(mixed)
        running.drain(len(good))
        letters = [msgspec.json.decode(v) for v in running.values(topics.DEAD_LETTERS)]
        found = Counter((x["reason"], base64.b64decode(x["value"] or "")) for x in letters)
        assert found == Counter((refused(c, limits), c.raw or b"") for c in cases)
        lines = Counter(line["event_id"] for line in running.log_lines())
        assert lines == Counter(msgspec.json.decode(v)["event_id"] for _, _, v in good)
