"""The monitors' tables and the figures kept over them.

A table holds JSON bytes by key and is rebuilt from its changelog; the figures are rebuilt from the
tables after every recovery, from the partitions that are this process's own.
"""

import logging
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

import faust
import msgspec

from schemas.outputs import FunderShare
from streams.cohort_alerts import is_cohort
from streams.monitor import feeds
from streams.monitor.cohort_watch import CohortWatch
from streams.monitor.cohorts import NOT_STRIKES, Member, Named, belongs, said_by, struck
from streams.monitor.feeds import PartitionFeeds
from streams.monitor.lines import Granted, LineHeld, newer_line
from streams.monitor.portfolio import (
    Episode,
    Exposure,
    Portfolio,
    expected_loss,
    newer_episode,
    newer_exposure,
)
from streams.monitor.view import View

log = logging.getLogger(__name__)
T = TypeVar("T")
TABLES = ("exposures", "episodes", "feeds", "members", "lines")
FORGET_PER_RECORD = 16
"""Bounds the work of one record; more leave than come."""


class _Assessment(msgspec.Struct):
    """What the monitor reads of an assessment."""

    merchant_id: str
    as_of: int
    segment: str
    exposure_minor: int
    currency: str
    probability_of_default: float | None = None


class _Change(msgspec.Struct):
    """What the monitor reads of a limit change."""

    line_id: str
    product: str
    currency: str
    version: int
    new_limit_minor: int
    funders: list[FunderShare]
    state: str = "sent"


class _Alert(msgspec.Struct):
    """What the monitor reads of an alert."""

    alert_id: str
    merchant_id: str
    segment: str
    kind: str
    severity: str
    opened_at: int
    state: str
    version: int


_decode_assessment = msgspec.json.Decoder(_Assessment).decode
_decode_alert = msgspec.json.Decoder(_Alert).decode
_decode_line = msgspec.json.Decoder(Named).decode
_decode_lines = msgspec.json.Decoder(Named, strict=True).decode_lines
_decode_change = msgspec.json.Decoder(_Change).decode
_encode = msgspec.json.Encoder().encode


class Unreadable(NamedTuple):
    """Bytes that are no record of their topic: how many lines, and what is wrong with one."""

    lines: int
    why: str


class State:
    """Takes records one by one; each ``take_…`` returns what could not be read, or None.

    Called by the agents, within the iteration over their streams (Faust writes the changelog to
    the partition of the event at hand).
    """

    def __init__(self, app: faust.App, partitions: int) -> None:
        self._app = app
        self.portfolio = Portfolio()
        self.feeds: dict[int, PartitionFeeds] = {}

        def table(name: str) -> Any:
            return app.Table(name, key_type=bytes, value_type=bytes, partitions=partitions)

        (
            self.exposures,
            self._episodes,
            self._feeds,
            self._members,
            self._lines,
        ) = map(table, TABLES)
        self.granted = Granted()
        self.cohorts = CohortWatch(self._all_members)

    def take_assessment(self, partition: int, raw: bytes) -> Unreadable | None:
        """Replace a merchant's exposure."""
        try:
            found = _decode_assessment(raw)
        except _UNREADABLE as error:
            return Unreadable(1, str(error))
        key = found.merchant_id.encode()
        known = _load(self.exposures, key, Exposure)
        fresh = Exposure(
            found.segment,
            found.currency,
            found.exposure_minor,
            found.as_of,
            partition,
            expected_loss(found.exposure_minor, found.probability_of_default),
        )
        if newer_exposure(known, fresh) is fresh and fresh.differs(known):
            self.portfolio.put_exposure(known, fresh)
            self.exposures[key] = _encode(fresh)
        return None

    def take_change(self, partition: int, raw: bytes) -> Unreadable | None:
        """Replace a line's limit; what was not sent moves none."""
        try:
            found = _decode_change(raw)
        except _UNREADABLE as error:
            return Unreadable(1, str(error))
        if found.state != "sent":
            return None
        key = found.line_id.encode()
        known = _load(self._lines, key, LineHeld)
        fresh = LineHeld(
            product=found.product,
            currency=found.currency,
            version=found.version,
            limit_minor=found.new_limit_minor,
            funders={each.funder: each.limit_minor for each in found.funders},
            partition=partition,
        )
        if newer_line(known, fresh) is fresh and fresh != known:
            self.granted.put(known, fresh)
            self._lines[key] = _encode(fresh)
        return None

    def take_alert(self, partition: int, raw: bytes) -> Unreadable | None:
        """Replace an episode's state, and forget some that nothing needs any more."""
        try:
            found = _decode_alert(raw)
        except _UNREADABLE as error:
            return Unreadable(1, str(error))
        key = found.alert_id.encode()
        known = _load(self._episodes, key, Episode)
        fresh = Episode(
            segment=found.segment,
            kind=found.kind,
            severity=found.severity,
            state=found.state,
            version=found.version,
            opened_at=found.opened_at,
            partition=partition,
            cohort=found.merchant_id if is_cohort(found.merchant_id) else "",
        )
        if newer_episode(known, fresh) is fresh:
            self.portfolio.put_episode(found.alert_id, known, fresh)
            self.cohorts.put_episode(found.alert_id, fresh)
            self._episodes[key] = _encode(fresh)
        if not fresh.cohort and found.kind not in NOT_STRIKES:
            merchant = found.merchant_id.encode()
            member = self._member(merchant, partition)
            hit = struck(member, found.alert_id, found.opened_at)
            self._put_member(merchant, member, hit)
        self._forget_some(partition)
        return None

    def _forget_some(self, partition: int) -> None:
        now_ms = self.now_ms()
        for _ in range(FORGET_PER_RECORD):
            alert_id = self.portfolio.pop_forgettable(partition, now_ms)
            if alert_id is None:
                return
            key = alert_id.encode()
            known = _load(self._episodes, key, Episode)
            if known is not None and known.state == "closed":
                self.portfolio.forget(known)
                del self._episodes[key]

    def take_lines(
        self, partition: int, offset: int, recorded_at_ms: int, raw: bytes
    ) -> Unreadable | None:
        """Count the events of a record of the log."""
        lines, unreadable = _read_lines(raw)
        own = self.feeds.setdefault(partition, PartitionFeeds())
        if own.take(offset, recorded_at_ms, lines):
            self._feeds[b"%d" % partition] = _encode(own)
        for line in lines:
            if line.merchant_id and any(said_by(line)):
                merchant = line.merchant_id.encode()
                member = self._member(merchant, partition)
                self._put_member(merchant, member, belongs(member, line))
        return unreadable

    def _member(self, merchant: bytes, partition: int) -> Member:
        return _load(self._members, merchant, Member) or Member(partition)

    def _put_member(self, merchant: bytes, known: Member, found: Member) -> None:
        if found is not known:
            self.cohorts.counts.put(known if merchant in self._members else None, found)
            self._members[merchant] = _encode(found)

    def _all_members(self) -> Iterator[Member]:
        for raw in list(self._members.values()):
            yield msgspec.json.decode(raw, type=Member)

    def recovered(self) -> None:
        """Build the figures again from the tables, after Faust has restored them."""
        own = {tp.partition for tp in self._app.assignor.assigned_actives()}
        self.portfolio = Portfolio()
        self.feeds = {}
        self.granted = Granted()
        self.cohorts = CohortWatch(self._all_members)
        for key, raw in list(self.exposures.items()):
            exposure = msgspec.json.decode(raw, type=Exposure)
            if _keep(self.exposures, key, exposure.partition in own):
                self.portfolio.put_exposure(None, exposure)
        for key, raw in list(self._episodes.items()):
            episode = msgspec.json.decode(raw, type=Episode)
            if _keep(self._episodes, key, episode.partition in own):
                self.portfolio.put_episode(key.decode(), None, episode)
                self.cohorts.put_episode(key.decode(), episode)
        for key, raw in list(self._lines.items()):
            line = msgspec.json.decode(raw, type=LineHeld)
            if _keep(self._lines, key, line.partition in own):
                self.granted.put(None, line)
        for key, raw in list(self._members.items()):
            member = msgspec.json.decode(raw, type=Member)
            if _keep(self._members, key, member.partition in own):
                self.cohorts.counts.put(None, member)
        for key, raw in list(self._feeds.items()):
            if _keep(self._feeds, key, int(key) in own):
                self.feeds[int(key)] = msgspec.json.decode(raw, type=PartitionFeeds)
        log.info(
            "monitor_recovered",
            extra={
                "merchants": len(self.exposures),
                "episodes": len(self._episodes),
                "partitions": sorted(own),
            },
        )

    def now_ms(self) -> int:
        """The clock of the windows, which is event time, so that a backfill works too."""
        return max(feeds.clock_ms(self.feeds.values()), self.portfolio.latest_ms)

    def view(self) -> View:
        """The figures now."""
        now_ms = self.now_ms()
        return View(
            clock_ms=now_ms,
            exposure_minor=self.portfolio.exposure_minor(),
            expected_loss_minor=self.portfolio.expected_loss_minor(),
            exposure_squares=self.portfolio.exposure_squares(),
            limit_minor=self.granted.limit_minor(),
            open_alerts=self.portfolio.open_alerts(),
            alerts_24h=self.portfolio.opened_in_window(now_ms),
            feeds=feeds.freshness(self.feeds.values(), now_ms),
        )


_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)


def _load(table: Any, key: bytes, kind: type[T]) -> T | None:
    stored = table.get(key)
    return None if stored is None else msgspec.json.decode(stored, type=kind)


def _keep(table: Any, key: bytes, own: bool) -> bool:
    """What another process has taken over goes from memory; the changelog keeps it."""
    if not own:
        table.data.pop(key, None)
    return own


def _read_lines(raw: bytes) -> tuple[list[Named], Unreadable | None]:
    """All lines that can be read, and what is wrong with the others."""
    try:
        return _decode_lines(raw), None
    except _UNREADABLE as error:
        why = str(error)
    lines: list[Named] = []
    bad = 0
    for part in raw.splitlines():
        try:
            lines.append(_decode_line(part))
        except _UNREADABLE:
            bad += 1
    return lines, Unreadable(bad, why)
