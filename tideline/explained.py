"""How ``features explain`` puts a merchant: one JSON object, or lines of text."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import msgspec

from detectors.facts import FACTS
from detectors.reasons import format_value
from features.catalogue import CATALOGUE, FEATURE_VERSION, INDEX, percentile_of
from features.evidence import Evidence, evidence
from features.feature import Feature
from streams.explain import Explained


def as_json(found: Explained, events_max: int) -> dict[str, Any]:
    """Every feature that is available with its evidence, and the names of the others."""
    shown = [_feature(found, f, events_max) for f in CATALOGUE if _value(found, f.name) is not None]
    return {
        "merchant_id": found.merchant_id,
        "as_of": found.as_of,
        "segment": found.segment,
        "currency": found.currency,
        "feature_version": FEATURE_VERSION,
        "events": len(found.lines),
        "refused": found.refused,
        "features": shown,
        "unavailable": [f.name for f in CATALOGUE if _value(found, f.name) is None],
    }


def as_text(found: Explained, events_max: int) -> Iterator[str]:
    """The same in lines; a percentile stands beside its amount."""
    yield (
        f"{found.merchant_id} as of {_moment(found.as_of)}: segment {found.segment}, "
        f"currency {found.currency}, {len(found.lines)} events"
    )
    if found.refused:
        refused = ", ".join(f"{count} {reason}" for reason, count in found.refused.items())
        yield f"Refused by intake, see `tideline replay`: {refused}"
    own = [f for f in CATALOGUE if f.family != "peers"]
    available = [f for f in own if _value(found, f.name) is not None]
    for family, members in groupby(available, key=lambda feature: feature.family):
        yield ""
        yield family.capitalize()
        for feature in members:
            yield from _lines(found, feature, events_max)
    missing = [f.name for f in own if _value(found, f.name) is None]
    yield ""
    yield f"{len(available)} of {len(own)} features are available."
    if missing:
        yield f"Not available: {', '.join(missing)}"


def _feature(found: Explained, feature: Feature, events_max: int) -> dict[str, Any]:
    return {
        "name": feature.name,
        "family": feature.family,
        "label": feature.label,
        "label_zh": feature.label_zh,
        "unit": feature.unit,
        "windows": feature.windows,
        "value": _value(found, feature.name),
        "usual": _usual(found, feature),
        "percentile": _value(found, percentile_of(feature.name)) if feature.money else None,
        "evidence": msgspec.to_builtins(_evidence(found, feature, events_max)),
    }


def _lines(found: Explained, feature: Feature, events_max: int) -> Iterator[str]:
    value, usual = _value(found, feature.name), _usual(found, feature)
    text = _text(found, feature, value)
    if usual is not None:
        text += f", usual {_text(found, feature, usual)}"
    percentile = _value(found, percentile_of(feature.name)) if feature.money else None
    if percentile is not None:
        text += f", above {format_value('share', percentile)} of its peers"
    yield f"  {feature.name}: {text}"
    yield f"    {feature.label} ({feature.label_zh}); {', '.join(feature.windows)}"
    behind = _evidence(found, feature, events_max)
    if not behind.count:
        yield "    no event"
        return
    assert behind.first_at is not None and behind.last_at is not None
    yield (
        f"    {behind.count} events, {_moment(behind.first_at)} to {_moment(behind.last_at)}: "
        + ", ".join(
            _total(found, each.type, each.count, each.amount_minor) for each in behind.by_type
        )
    )
    if behind.event_ids:
        yield f"    latest: {', '.join(behind.event_ids)}"


def _total(found: Explained, tag: str, count: int, amount_minor: int) -> str:
    if not amount_minor:
        return f"{count} {tag}"
    return f"{count} {tag} of {format_value('money', amount_minor, currency=found.currency)}"


def _evidence(found: Explained, feature: Feature, events_max: int) -> Evidence:
    return evidence(
        feature, found.lines, found.as_of, currency=found.currency, events_max=events_max
    )


def _value(found: Explained, name: str) -> float | None:
    value = float(found.vector[INDEX[name]])
    return value if math.isfinite(value) else None


def _usual(found: Explained, feature: Feature) -> float | None:
    fact = FACTS[feature.name]
    usual = _value(found, fact.usual) if fact.usual else None
    return None if usual is None else usual * fact.usual_scale


def _text(found: Explained, feature: Feature, value: float | None) -> str:
    assert value is not None
    return format_value(FACTS[feature.name].measure, value, currency=found.currency)


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")
