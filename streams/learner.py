"""The learner: feature snapshots meet outcomes, a River model learns, versions are published.

A pure object over ``risk.assessments``. Scoring never learns; it uses the versions published here,
from the place in the log where they are activated. State is a set of keyed items, of which each
transaction writes those that changed.
"""

import msgspec
from msgspec import Struct

from detectors.default_risk import PRIOR_MODEL, encode_model
from detectors.learning import OnlineDefaultModel, should_publish
from detectors.transform import model_inputs
from features.catalogue import NAMES
from schemas import topics
from schemas.codec import encode
from schemas.digests import content_digest
from schemas.events import GLOBAL_MERCHANT, ModelActivated
from schemas.outputs import Assessment
from streams.records import Output, Record

DAY_MS = 86_400_000
SNAPSHOT_EVERY_MS = 28 * DAY_MS
SNAPSHOTS_MAX = 6
MATURITY_MS = 30 * DAY_MS
"""An outcome is learnt on features from at least so long before it, where there are any."""
_MODEL_KEY = b"model/online"


class Snapshot(Struct, frozen=True, array_like=True):
    """What was known of a merchant at one time; values in catalogue order, None = missing."""

    as_of: int
    values: tuple[float | None, ...]


class Counters(Struct, kw_only=True):
    """Progress of the learner."""

    published: int = 0
    learned: int = 0
    outcomes_without_history: int = 0
    parent: str = PRIOR_MODEL.version


class _State(Struct, kw_only=True):
    model: bytes
    counters: Counters


class Learner:
    """Learns from outcomes in the order in which they come."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.model = OnlineDefaultModel.from_model(PRIOR_MODEL)
        self._snapshots: dict[str, list[Snapshot]] = {}
        self._changed: dict[str, None] = {}
        self._model_changed = False

    def process(self, record: Record) -> list[Output]:
        """One assessment. Returns a model version and its activation when one is due."""
        assessment = _decode(record.value or b"")
        if assessment.outcome is not None:
            return self._learn(assessment)
        self._remember(assessment)
        return []

    def dirty(self) -> list[tuple[bytes, bytes]]:
        """Items that changed since the last call."""
        items = [
            (b"snapshots/" + merchant.encode(), msgspec.msgpack.encode(self._snapshots[merchant]))
            for merchant in self._changed
        ]
        if self._model_changed:
            state = _State(model=self.model.snapshot(), counters=self.counters)
            items.append((_MODEL_KEY, msgspec.msgpack.encode(state)))
        self._changed.clear()
        self._model_changed = False
        return items

    def restore(self, items: dict[bytes, bytes]) -> None:
        """State as of the last commit, from the last value of every key."""
        for key, raw in items.items():
            if key == _MODEL_KEY:
                state = msgspec.msgpack.decode(raw, type=_State)
                self.model, self.counters = OnlineDefaultModel.restore(state.model), state.counters
            else:
                merchant = key.removeprefix(b"snapshots/").decode()
                self._snapshots[merchant] = msgspec.msgpack.decode(raw, type=list[Snapshot])

    def _remember(self, assessment: Assessment) -> None:
        kept = self._snapshots.setdefault(assessment.merchant_id, [])
        if kept and assessment.as_of - kept[-1].as_of < SNAPSHOT_EVERY_MS:
            return
        values = tuple(assessment.features.get(name) for name in NAMES)
        kept.append(Snapshot(assessment.as_of, values))
        del kept[:-SNAPSHOTS_MAX]
        self._changed[assessment.merchant_id] = None

    def _learn(self, assessment: Assessment) -> list[Output]:
        kept = self._snapshots.get(assessment.merchant_id)
        if not kept:
            self.counters.outcomes_without_history += 1
            self._model_changed = True
            return []
        mature = [s for s in kept if s.as_of <= assessment.as_of - MATURITY_MS]
        snapshot = mature[-1] if mature else kept[0]
        inputs = model_inputs([float("nan") if v is None else v for v in snapshot.values])
        self.model.learn(inputs, assessment.outcome == "defaulted")
        self.counters.learned += 1
        self._model_changed = True
        return self._publish(assessment.as_of) if should_publish(self.model) else []

    def _publish(self, at: int) -> list[Output]:
        self.counters.published += 1
        version = f"default-risk-{self.counters.published}"
        model = self.model.to_model(version=version, parent=self.counters.parent, trained_until=at)
        self.model.adopt(model)
        raw = encode_model(model)
        self.counters.parent = version
        activation = ModelActivated(
            event_id=f"activate-{version}-{content_digest(raw)}",
            merchant_id=GLOBAL_MERCHANT,
            occurred_at=at,
            version=version,
            digest=content_digest(raw),
        )
        return [
            Output(topics.MODELS, 0, version.encode(), raw),
            Output(topics.CONTROL, 0, GLOBAL_MERCHANT.encode(), encode(activation)),
        ]


_decode = msgspec.json.Decoder(Assessment).decode
