"""Versions of the anomaly models: their bytes, and what is refused."""

import msgspec
import pytest

from detectors.anomaly_inputs import INPUTS
from detectors.anomaly_model import (
    SEGMENTS_MAX,
    decode_anomaly,
    encode_anomaly,
)
from detectors.default_risk import ModelError
from tests.detectors.usual import learnt

MODEL = learnt(256)
RAW = encode_anomaly(MODEL)


def changed(*path: str | int, to: object) -> bytes:
    """The bytes of the version with one value changed."""
    plain = msgspec.json.decode(RAW)
    at = plain
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = to
    return msgspec.json.encode(plain)


def test_a_version_is_its_bytes() -> None:
    again = decode_anomaly(RAW)
    assert again == MODEL and encode_anomaly(again) == RAW
    assert encode_anomaly(learnt(256)) == RAW, "learnt again, the same bytes"


def test_the_greatest_version_fits_a_record() -> None:
    forest = MODEL.pooled
    full = msgspec.structs.replace(
        MODEL, segments={f"segment {i:>100}": forest for i in range(SEGMENTS_MAX)}
    )
    assert len(encode_anomaly(full)) < 900_000
    assert decode_anomaly(encode_anomaly(full)) == full


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "not an anomaly version that this release reads"),
        (RAW[:-2], "not an anomaly version that this release reads"),
        (b"\xff" + RAW, "not an anomaly version that this release reads"),
        (b" " * 900_001, "900001 bytes; at most"),
        (changed("schema", to="tideline.anomaly/2"), "publish one of tideline.anomaly/1"),
        (changed("schema", to="tideline.default-risk/2"), "publish one of tideline.anomaly/1"),
        (changed("feature_version", to="f99"), "made for features f99"),
        (changed("version", to=""), "`version` is empty"),
        (changed("inputs", to=list(INPUTS[1:])), "`inputs` are not those of this release"),
        (changed("forged", to=1), "unknown field `forged`"),
        (
            RAW.replace(b'"parameters":{', b'"parameters":{"x":1e999,'),
            "Number out of range",
        ),
        (RAW.replace(b'"medians":[', b'"medians":[1e999,', 1), "Number out of range"),
        (changed("pooled", "places", 3, to=len(INPUTS)), "`places` has one that no input has"),
        (changed("pooled", "places", 3, to=-1), "`places` has one that no input has"),
        (changed("pooled", "cuts", 3, to=1.5), "a cut that is not within 0-1"),
        (changed("pooled", "cuts", to=[0.5]), "`cuts` has 1 numbers, not 630"),
        (changed("pooled", "masses", 0, to=129), "a mass that is not within"),
        (changed("pooled", "spreads", 0, to=-1.0), "`spreads` has one that is neither 0"),
        (changed("pooled", "medians", 0, to=1e13), "not finite or beyond"),
        (changed("pooled", "strangeness", to=[0.0, 0.0]), "a measure with a spread below"),
        (changed("pooled", "excesses", to=[]), "`excesses` has 0 numbers"),
        (changed("pooled", "excesses", to=[2.0, 1.0]), "`excesses` do not ascend"),
        (changed("pooled", "rows", to=0), "`rows` is 0"),
        (changed("segments", "s", "cuts", 0, to=-0.1), "segment 's': a cut"),
    ],
)
def test_what_cannot_be_used_is_refused_and_named(raw: bytes, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        decode_anomaly(raw)
