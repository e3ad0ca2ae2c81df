"""A merchant's features beside its own usual and its peers, the unusual first. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from desk.present import Label, Labels, words

OTHER = "others"
"""Family of features that the catalogue at hand does not know."""
PEERS_MIN = 5
"""Fewer would tell one merchant's figures to another's funder, and say nothing of a segment."""
SHOWN_FIRST = 12
_PEERS = "peers"


class Peers(NamedTuple):
    """What merchants of the segment have of one feature: quantiles at 0.1, 0.5 and 0.9."""

    merchants: int
    low: float
    median: float
    high: float


class Compared(NamedTuple):
    """One feature. ``usual`` is the merchant's own, None where unknown; ``percentile`` is 0-1.

    ``side`` is ``worse`` or ``better`` where it lies outside what four fifths of its peers have, or
    far from its usual, else empty; ``distance`` ranks that, and counts in spreads of the peers.
    """

    name: str
    label: Label
    value: float | None
    usual: float | None
    peers: Peers | None
    percentile: float | None
    side: str
    distance: float


def compared(
    vector: Mapping[str, float | None],
    labels: Labels,
    *,
    own: Mapping[str, float],
    peers: Mapping[str, Peers],
    unusual: Sequence[str] = (),
) -> list[Compared]:
    """Features of an assessment in the order of ``labels``, then those that it does not know.

    ``own`` are medians of the merchant's earlier assessments; a usual of the catalogue's goes
    before. ``unusual`` are the features that the anomaly models name. A feature that holds
    another's percentile among peers is shown beside that one alone.
    """
    beside = {label.percentile for label in labels.values()}
    beside |= {name for name, label in labels.items() if label.family == _PEERS}
    order = [name for name in labels if name in vector and name not in beside]
    order += sorted(name for name in vector if name not in labels)
    return [_compared(name, vector, labels, own, peers, unusual) for name in order]


def unusual_first(rows: Sequence[Compared]) -> list[Compared]:
    """Those that stand out, at most ``SHOWN_FIRST``, the furthest first."""
    out = [row for row in rows if row.distance > 0]
    return sorted(out, key=lambda row: -row.distance)[:SHOWN_FIRST]


def families(rows: Sequence[Compared]) -> list[tuple[str, list[Compared]]]:
    """Rows by family, in the order in which they come."""
    found: dict[str, list[Compared]] = {}
    for row in rows:
        found.setdefault(row.label.family, []).append(row)
    return list(found.items())


def _compared(
    name: str,
    vector: Mapping[str, float | None],
    labels: Labels,
    own: Mapping[str, float],
    peers: Mapping[str, Peers],
    unusual: Sequence[str],
) -> Compared:
    label = labels.get(name) or Label(words(name), "", "", OTHER)
    value = vector[name]
    usual = vector.get(label.usual) if label.usual else None
    usual = own.get(name) if usual is None else usual * label.usual_scale
    of_peers = peers.get(name)
    if of_peers is not None and of_peers.merchants < PEERS_MIN:
        of_peers = None
    percentile = vector.get(label.percentile) if label.percentile else None
    side, distance = _stands_out(value, usual, of_peers, label.worse)
    if name in unusual:
        # What the anomaly models name comes before what only differs.
        distance += 1_000 * (len(unusual) - unusual.index(name))
    return Compared(name, label, value, usual, of_peers, percentile, side, distance)


def _stands_out(
    value: float | None, usual: float | None, peers: Peers | None, worse: str
) -> tuple[str, float]:
    """On which side, and how far beyond the middle four fifths or half of the usual."""
    if value is None:
        return "", 0.0
    moved = 0.0
    if peers is not None and not peers.low <= value <= peers.high:
        spread = max(peers.high - peers.low, abs(peers.median) / 2, 1e-9)
        edge = peers.high if value > peers.high else peers.low
        moved = (value - edge) / spread
    if usual is not None and abs(value - usual) > abs(usual) / 2:
        by = (value - usual) / max(abs(usual), abs(value))
        moved = moved if abs(moved) > abs(by) else by
    if moved == 0.0:
        return "", 0.0
    up = moved > 0
    side = "" if worse not in ("up", "down") else "worse" if up == (worse == "up") else "better"
    return side, min(abs(moved), 999.0)


def peers_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Peers]:
    """Peers by feature, from rows of ``feature_queries.peers``."""
    return {
        row["name"]: Peers(int(row["merchants"]), *(float(q) for q in row["quantiles"]))
        for row in rows
    }
