"""The protocols on the real data sets, where these are at hand: sizes and the floors of others."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from detectors.metrics import Ranking
from tideline.evaluation.leaks import check_columns, check_times
from tideline.evaluation.protocols import PROTOCOLS
from tideline.evaluation.questions import Questions
from tideline.sources import open_sources

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def asked(name: str) -> Questions:
    if not DATA.is_dir():
        pytest.skip("the real data sets are not here")
    protocol = PROTOCOLS[name]
    records = open_sources([DATA / file for file in protocol.files], protocol.format)
    return protocol.ask((record, msgspec.json.decode(record.value)) for record in records)


@pytest.mark.parametrize(
    ("name", "cases", "bad", "floor", "auc"),
    [
        ("sme-default", 82, 18, "total-sales-ascending", 0.89),
        ("current-loans", 3084, 687, None, 0.0),
        ("card-default", 19_891, 4_334, "last-months-behind", 0.69),
        ("promises-placed", 20_046, None, "late-share-by-orders", 0.68),
    ],
)
def test_each_asks_what_is_in_the_data_and_its_floor_is_that_of_others(
    name: str, cases: int, bad: int | None, floor: str | None, auc: float
) -> None:
    found = asked(name)
    check_times(found)
    assert len(found.at) == cases
    assert bad is None or int(found.labels.sum()) == bad
    assert (np.diff(found.at) >= 0).all()
    if floor is not None:
        judged = found.take(found.at >= found.judged_from)
        scores = judged.floors[floor]
        assert Ranking(scores, judged.labels).roc_auc() == pytest.approx(auc, abs=0.015)
        check_columns((floor,), scores[:, None], judged.labels)
