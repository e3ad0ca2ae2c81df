"""The compiled kernel against the slow and obvious oracle."""

import pytest
from hypothesis import given, settings

from features.engine import EngineConfig, FeatureEngine
from features.lines import LogLine
from tests.features.build import histories, values
from tests.features.oracle import Oracle

CONFIG = EngineConfig(dedup_events=16, event_trigger_gap_ms=0)


@settings(deadline=None, max_examples=300)
@given(histories())
def test_every_feature_equals_the_oracle_at_every_due(lines: list[LogLine]) -> None:
    engine, oracle = FeatureEngine(CONFIG), Oracle(CONFIG.dedup_events)
    for line in lines:
        dues = list(engine.run([line]))
        compare(engine, oracle, [due for due in dues if due.line < 0])  # before the line
        oracle.take(line)
        compare(engine, oracle, [due for due in dues if due.line >= 0])


def compare(engine: FeatureEngine, oracle: Oracle, dues: list) -> None:
    for due in dues:
        expected = oracle.vector(engine.ids[due.slot], due.as_of)
        assert values(due) == pytest.approx(expected, rel=1e-12, abs=1e-12)
