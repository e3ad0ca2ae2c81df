"""The features of one merchant at one time, and the events that they are made of.

Events go through intake and scoring as in a replay without the learner; of the log, only the
merchant's partition is run. The result is the vector that an assessment would see.
"""

import base64
import difflib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from detectors.rules import RuleBook
from features.cadence import EngineConfig
from features.lines import LogLine, decode_lines
from ops.errors import ConfigurationError
from schemas import topics
from schemas.outputs import DeadLetter
from streams.alerts import NO_CURRENCY
from streams.artifacts import MemoryArtifacts, genesis
from streams.intake import ANYWHERE, Intake
from streams.ledger import Ledger
from streams.pipeline import CHUNK_LINES
from streams.records import Record, artifact_of
from streams.scoring import Scoring
from streams.versions import Genesis

NEAR_AMONG = 200_000
"""Merchants among whom a name like an unknown one is looked for; it takes about a second."""
NEAR_MAX = 3


class Explained(Struct, kw_only=True, frozen=True):
    """A merchant as of ``as_of`` (epoch ms).

    ``vector`` is in catalogue order, NaN where not available. ``lines`` are its events as the log
    has them, without duplicates, in order of arrival; ``refused`` counts those that intake did not
    take, by reason. ``rules`` are the rules in force, ``ledger`` what scoring keeps of it since its
    last assessment, ``held`` the feeds that the vector does without.
    """

    merchant_id: str
    as_of: int
    segment: str
    currency: str
    vector: NDArray[np.float64]
    lines: list[LogLine]
    refused: dict[str, int]
    rules: RuleBook
    ledger: Ledger
    held: tuple[str, ...]


class Explainer:
    """Takes the events of files in order of arrival, all merchants'; those after T change nothing.

    What other merchants do counts too: the clock, peers and quiet feeds belong to a partition.
    """

    def __init__(
        self,
        intake: Intake,
        artifacts: MemoryArtifacts,
        merchant_id: str,
        as_of: int,
        config: EngineConfig | None = None,
        start: Genesis | None = None,
    ) -> None:
        self._intake = intake
        self._artifacts = artifacts
        self._merchant = merchant_id
        self._as_of = as_of
        self._needle = msgspec.json.encode(merchant_id)
        self._partition = intake.partition_of(merchant_id)
        self._scoring = Scoring(artifacts, start or genesis(), config)
        self._offset = 0
        self._waiting = 0
        self._lines: dict[str, LogLine] = {}
        self._others: set[str] = set()
        self._refused: Counter[str] = Counter()
        self._after: int | None = None

    def feed(
        self,
        source: str,
        number: int,
        raw: bytes,
        now_ms: int,
        *,
        merchant_id: str | None,
        occurred_at: int | None,
    ) -> None:
        """Take one line of a file; what it says of merchant and time may be unknown.

        May raise ``streams.intake.InputStopped``.
        """
        later = occurred_at is not None and occurred_at > self._as_of
        if merchant_id == self._merchant:
            if later:
                self._after = min(self._after or occurred_at or 0, occurred_at or 0)
        elif merchant_id is not None:
            self._others.add(merchant_id)
        if later:
            return
        self._intake.take(Record(source, ANYWHERE, number, None, raw, [], 0), now_ms)
        self._waiting += 1
        if self._waiting >= CHUNK_LINES:
            self._advance()

    def finish(self) -> Explained:
        """The merchant as it stood. Raises ``ConfigurationError`` where nothing is known of it."""
        self._advance()
        engine = self._scoring.engine
        slot = engine.index.slot_of(self._merchant)
        if slot is None:
            raise ConfigurationError(self._unknown())
        ledger = self._scoring.ledgers.get(slot) or Ledger(segment="")
        vector, held = self._scoring.seen_at(slot, self._as_of)
        return Explained(
            merchant_id=self._merchant,
            as_of=self._as_of,
            segment=ledger.segment,
            currency=ledger.currency or engine.currency_of(slot) or NO_CURRENCY,
            vector=vector,
            lines=list(self._lines.values()),
            refused=dict(sorted(self._refused.items())),
            rules=self._scoring.rules,
            ledger=ledger,
            held=held,
        )

    def _advance(self) -> None:
        self._waiting = 0
        for output in self._intake.flush():
            value = output.value or b""
            if output.topic == topics.POLICIES:
                self._artifacts.put(*artifact_of(output.topic, output.key), value)
            elif output.topic == topics.EVENTS and output.partition == self._partition:
                record = Record(topics.EVENTS, output.partition, self._offset, None, value, [], 0)
                self._offset += 1
                self._scoring.process(record)
                for line in self._own(value):
                    self._lines.setdefault(line.event_id, line)
            elif output.topic == topics.DEAD_LETTERS:
                letter = _letter(value)
                if self._needle in base64.b64decode(letter.value or ""):
                    self._refused[letter.reason] += 1

    def _own(self, value: bytes) -> Iterator[LogLine]:
        if self._needle in value:
            yield from (e for e in decode_lines(value) if e.merchant_id == self._merchant)

    def _unknown(self) -> str:
        name = self._merchant
        if self._refused:
            return (
                f"merchant {name!r}: intake refused every event up to --at "
                f"({', '.join(sorted(self._refused))}); `tideline replay` writes them to "
                "dead-letters.ndjson with the cause"
            )
        if self._after is not None:
            first = datetime.fromtimestamp(self._after / 1000, UTC).isoformat(timespec="seconds")
            return f"merchant {name!r} has no event up to --at, the first is of {first}; go later"
        near = difflib.get_close_matches(name, islice(sorted(self._others), NEAR_AMONG), NEAR_MAX)
        meant = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        return f"no event of merchant {name!r} among {len(self._others)} others{meant}"


_letter = msgspec.json.Decoder(DeadLetter).decode
