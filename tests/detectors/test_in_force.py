"""A roll-back is seen by the stamps of one witness, and by nothing else."""

import msgspec
import pytest

from detectors.default_risk import PRIOR_MODEL, Model
from detectors.in_force import VERSIONS_KEPT, InForce
from detectors.prior import PRIOR_VERSION


def model(version: str) -> Model:
    """A version that differs by its name."""
    return msgspec.structs.replace(PRIOR_MODEL, version=version)


def restored(before: InForce, items: dict[bytes, bytes]) -> InForce:
    items |= dict(before.dirty())
    after = InForce()
    for key, raw in items.items():
        assert after.restore(key, raw)
    return after


@pytest.mark.parametrize("stopped", [False, True])
def test_only_a_partition_that_showed_the_champion_can_show_that_it_is_gone(stopped: bool) -> None:
    items: dict[bytes, bytes] = {}
    known = InForce()
    known.published(model("v1"))
    said = [
        (0, PRIOR_VERSION, False),  # the activation has not come there yet
        (1, "v1", False),  # the witness
        (0, PRIOR_VERSION, False),
        (0, "v1", False),
        (0, PRIOR_VERSION, False),  # no witness: it may be late
        (1, PRIOR_VERSION, True),
    ]
    for partition, stamped, expected in said:
        if stopped:
            known = restored(known, items)
        assert known.hear(partition, stamped, "v1") is expected
    found = known.find(PRIOR_VERSION)
    assert found is not None and found == PRIOR_MODEL


def test_after_a_roll_back_partitions_that_lag_behind_are_not_taken_for_another_one() -> None:
    known = InForce()
    known.published(model("v1"))
    assert not known.hear(1, "v1", "v1")
    assert known.hear(1, PRIOR_VERSION, "v1")
    # From here on the prior is the champion again; partition 0 sees the same later.
    for stamped in (PRIOR_VERSION, "v1", "v1", PRIOR_VERSION):
        assert not known.hear(0, stamped, PRIOR_VERSION)
    assert known.hear(1, "v1", PRIOR_VERSION), "the desk went forward again"


def test_the_latest_versions_are_kept_and_the_prior_always() -> None:
    known = InForce()
    for number in range(VERSIONS_KEPT + 3):
        known.published(model(f"v{number}"))
    known = restored(known, {})
    assert known.find("v3") == model("v3") and known.find(f"v{VERSIONS_KEPT + 2}") is not None
    assert known.find("v2") is None
    assert known.find(PRIOR_VERSION) == PRIOR_MODEL


def test_a_version_that_is_not_ours_is_asked_for_once() -> None:
    known = InForce()
    assert not known.hear(0, PRIOR_VERSION, PRIOR_VERSION)
    assert known.hear(0, "foreign", PRIOR_VERSION)
    assert known.find("foreign") is None
    assert not known.hear(0, "foreign", PRIOR_VERSION)


def test_other_items_and_versions_of_another_release_are_left_alone() -> None:
    known = InForce()
    assert not known.restore(b"drift", b"")
    old = msgspec.json.encode(msgspec.structs.replace(PRIOR_MODEL, feature_version="none-0"))
    assert known.restore(b"version/0", old)
    assert known.find(PRIOR_MODEL.version) == PRIOR_MODEL
