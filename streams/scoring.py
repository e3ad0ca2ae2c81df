"""Scoring: a deterministic state machine over one partition of the log.

Micro-batches in, assessments, alerts and limit changes out. No clock, no Kafka, no randomness: the
same records under the same versions give the same bytes, which the running ``digest`` proves at
every restart.
"""

import hashlib
from collections import Counter
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np
from msgspec import Raw, Struct
from numpy.typing import NDArray
from xxhash import xxh3_128

from credit.holding import Guard
from detectors.anomaly_score import Anomaly, rate
from detectors.assess import HISTORY, Judgement, Verdict, judge, with_history, without_history
from detectors.holds import standing
from detectors.lasting import lasting
from detectors.rules import RuleBook
from detectors.sentinels import Hit, met_rules, unyielding
from detectors.vectors import Vector
from features.catalogue import INDEX, NAMES
from features.engine import Due, EngineConfig, FeatureEngine, Trigger
from features.lending import NO_LENDING
from features.lines import LogLine, decode_line
from features.scan import scan
from features.texts import json_texts
from schemas import topics
from schemas.codec import encode
from schemas.outputs import Alert, Assessment, BudgetRequest, LimitChange
from streams import cohort_alerts
from streams.alerts import NO_CURRENCY, Alerts
from streams.ledger import Ledger
from streams.limits import LINE_COMMANDS, Limits
from streams.records import Artifacts, Output, Record
from streams.versions import Genesis, Named, Versions

_OUTCOMES = {"loan.defaulted": "defaulted", "loan.settled": "settled"}

_TENURE = INDEX["tenure_days"]
_COMMAND, _PROFILE, _LENDING = map(int, (Trigger.COMMAND, Trigger.PROFILE, Trigger.LENDING))
_AT_ONCE = _COMMAND | _PROFILE | int(Trigger.CONTROL)
"""Lines that change more than one merchant's numbers, or are answered by themselves."""
_TRIGGER_NAMES = {int(trigger): trigger.name for trigger in Trigger}
_WAITING_MAX = 256


class _Waiting(NamedTuple):
    """A merchant that is due and not assessed yet; nothing of it changes until then.

    ``outcome`` is a label that the line or the passing of time gives, ``outcome_of`` the loan or
    alert that it is about, ``held`` the feeds that its vector does without.
    """

    due: Due
    line: LogLine | None
    ledger: Ledger
    outcome: str | None
    outcome_of: str | None
    held: tuple[str, ...]
    exposure_minor: int


class _Case(NamedTuple):
    """One assessment under way. ``vector`` in catalogue order, NaN where not available."""

    waiting: _Waiting
    vector: Vector
    merchant: str
    currency: str
    causes: list[str]
    hits: list[Hit]
    verdict: Verdict


class Header(Struct, kw_only=True):
    """Partition-level state of a checkpoint."""

    position: int
    digest: str
    engine: bytes
    versions: dict[str, Named]
    paused: bool
    stats: dict[str, int]
    guard: Guard


class Scoring:
    """The processor of one partition. ``position`` is the offset of the next record to process.

    ``share_of`` is as in ``streams.limits.Limits``.
    """

    def __init__(
        self,
        artifacts: Artifacts,
        genesis: Genesis,
        config: EngineConfig | None = None,
        *,
        share_of: int = 0,
    ) -> None:
        self.engine = FeatureEngine(config or EngineConfig())
        self.ledgers: dict[int, Ledger] = {}
        self.position = 0
        self.digest = "0" * 32
        self.stats: Counter[str] = Counter()
        self.refusal = ""
        """Why the last model that was refused was so; empty if none was."""
        self._versions = Versions(artifacts, genesis)
        self._outputs: list[Output] = []
        self._alerts = Alerts(self._versions, self.stats, self._emit)
        self._limits = Limits(
            self._versions, self.engine, self._alerts, self.stats, self._emit, self._request
        )
        self._limits.share_of = share_of
        self._waiting: dict[int, _Waiting] = {}
        self._vectors = np.empty((_WAITING_MAX, len(NAMES)))

    @property
    def paused(self) -> bool:
        """Whether the desk has paused automatic decisions."""
        return self._limits.paused

    @property
    def lines(self) -> int:
        """Lines of the log processed so far."""
        return self.engine.counters["lines"]

    @property
    def policy_version(self) -> str:
        """Version of the credit policy in force."""
        return self._versions.policy.version

    @property
    def rules(self) -> RuleBook:
        """The rules in force."""
        return self._versions.rules

    @property
    def model_version(self) -> str:
        """Version of the model in force."""
        return self._versions.model.version

    @property
    def anomaly_version(self) -> str:
        """Version of the anomaly score in force."""
        return self._versions.anomaly_version

    def process(self, record: Record) -> list[Output]:
        """One micro-batch of the log, whole. Returns its outputs in order."""
        assert record.offset >= self.position, "records come in log order"
        self._limits.partition = record.partition
        scanned = scan(record.value or b"")
        for due in self.engine.run(scanned):
            self._take(due, decode_line(scanned.line(due.line)) if due.line >= 0 else None)
        self._settle()
        outputs, self._outputs = self._outputs, []
        self.position = record.offset + 1
        if outputs:
            # It finds accidents, not forgeries: what is fast serves best.
            chain = xxh3_128(bytes.fromhex(self.digest))
            for output in outputs:
                value = output.value or b""
                chain.update(output.topic.encode())
                chain.update(b"\0%d\0" % len(value))
                chain.update(value)
            self.digest = chain.hexdigest()
        return outputs

    # --- checkpoint ------------------------------------------------------------------------

    def header(self) -> bytes:
        """Partition-level state as of ``position``."""
        return msgspec.msgpack.encode(
            Header(
                position=self.position,
                digest=self.digest,
                engine=self.engine.export_header(),
                versions=self._versions.named(),
                paused=self._limits.paused,
                stats=dict(self.stats),
                guard=self._limits.guard,
            )
        )

    def restore_header(self, raw: bytes) -> None:
        """Inverse of ``header``; versions are fetched again by their digests."""
        header = msgspec.msgpack.decode(raw, type=Header)
        self.position, self.digest = header.position, header.digest
        self._limits.paused, self._limits.guard = header.paused, header.guard
        self.engine.import_header(header.engine)
        self.stats.clear()
        self.stats.update(header.stats)
        self._versions.restore(header.versions)

    def page(self, number: int) -> bytes:
        """State of the merchants of one page."""
        first = number * self.engine.PAGE_ROWS
        ledgers = {
            slot: self.ledgers[slot]
            for slot in range(first, first + self.engine.PAGE_ROWS)
            if slot in self.ledgers
        }
        return msgspec.msgpack.encode((self.engine.export_page(number), ledgers))

    def restore_page(self, number: int, raw: bytes) -> None:
        """Inverse of ``page``."""
        rows, ledgers = msgspec.msgpack.decode(raw, type=tuple[bytes, dict[int, Ledger]])
        self.engine.import_page(number, rows)
        self.ledgers.update(ledgers)

    # --- lines and timers ------------------------------------------------------------------

    def _take(self, due: Due, line: LogLine | None) -> None:
        slot, trigger = due.slot, due.trigger
        if slot in self._waiting or len(self._waiting) == _WAITING_MAX or trigger & _AT_ONCE:
            self._settle()
        if slot < 0:
            assert line is not None
            self._control(line)
            return
        ledger = self.ledgers.get(slot)
        if ledger is None:
            ledger = self.ledgers[slot] = Ledger()
        outcome, outcome_of = None, None
        if line is None and ledger.episodes:
            merchant = self.engine.index.id_of(slot)
            if cohort_alerts.is_cohort(merchant):
                self._alerts.wake(merchant, ledger, due.as_of)
                self._look_again(slot, ledger, due.as_of, timer=True)
                return
        if line is not None:
            if trigger == _COMMAND:
                outcome, outcome_of = self._command(due, line, ledger), line.alert_id
                if outcome is None:
                    return
            elif trigger == _PROFILE:
                ledger.update_profile(line)
                if line.type != "credit.applied":
                    return
                self._limits.apply(slot, ledger, line, due.vector)
            elif trigger == _LENDING:
                if line.type in ("limit.acknowledged", "limit.rejected"):
                    self._settle()  # in log order: others may want the same budget
                    self._limits.answer(slot, ledger, line, due.as_of)
                    return
                ledger.lend(line)
                outcome, outcome_of = _OUTCOMES.get(line.type), line.loan_id or line.line_id
            elif ledger.lending is not None:
                self._limits.keep_books(slot, ledger, line)
            if ledger.currency is None and line.currency is not None:
                ledger.currency = line.currency
        vector = self._vectors[len(self._waiting)]
        vector[:] = due.vector
        held = self._complete(slot, vector, ledger, due.as_of)
        exposure_minor = 0
        if ledger.loans is not None or ledger.episodes:
            self._look_again(slot, ledger, due.as_of, timer=line is None)
        if ledger.loans is not None:
            exposure_minor = ledger.loans.exposure_minor
            if outcome is None:
                outcome_of = ledger.loans.newly_late(due.as_of)
                outcome = None if outcome_of is None else "late_30"
        self._waiting[slot] = _Waiting(
            due, line, ledger, outcome, outcome_of or None, held, exposure_minor
        )

    def _control(self, line: LogLine) -> None:
        if line.type in ("policy.activated", "model.activated"):
            is_model = line.type == "model.activated"
            kind = line.artifact or ("model" if is_model else "policy")
            refused = self._versions.activate(kind, str(line.version), str(line.digest))
            if refused is not None:
                self.refusal = str(refused)
                self.stats[f"models_refused.{refused.reason}"] += 1
            elif not is_model and (lacking := self._versions.kinds_without_rule()):
                self.stats["freeze_kinds_without_rule"] += len(lacking)
        else:
            self._limits.control(line)

    def _command(self, due: Due, line: LogLine, ledger: Ledger) -> str | None:
        """Do what the desk says; the outcome that a closed alert gives, if any."""
        if line.type in LINE_COMMANDS:
            self._limits.command(due.slot, ledger, line, due.as_of)
            return None
        merchant = self.engine.index.id_of(due.slot)
        if cohort_alerts.is_cohort(merchant):
            cohort_alerts.take(self._alerts, merchant, ledger, line, due.as_of)
            self._look_again(due.slot, ledger, due.as_of)
            return None
        verdict = self._alerts.command(merchant, ledger, line, due.as_of)
        if line.type == "alert.snooze":
            # As of the watermark: the command may lie ahead of lending's checks still to come.
            self._look_again(due.slot, ledger, self.engine.watermark)
        return None if verdict is None else f"verdict_{verdict}"

    def _look_again(self, slot: int, ledger: Ledger, as_of: int, *, timer: bool = False) -> None:
        """Make the merchant due when lending wants it after ``as_of``, or a snooze is over."""
        # A timer's deadline is the millisecond after it; others may have passed and come yet.
        swept = as_of + 1 if timer else self.engine.watermark
        self.engine.set_lending_deadline(slot, ledger.next_look_ms(as_of, swept))

    # --- vectors ---------------------------------------------------------------------------

    def vector_at(self, slot: int, as_of: int) -> NDArray[np.float64]:
        """The vector that an assessment of the merchant at ``as_of`` would see; changes nothing."""
        return self.seen_at(slot, as_of)[0]

    def seen_at(self, slot: int, as_of: int) -> tuple[NDArray[np.float64], tuple[str, ...]]:
        """The vector of ``vector_at``, and the feeds that it does without."""
        vector = self.engine.vector_at(slot, as_of)
        ledger = self.ledgers.get(slot) or Ledger()
        held = self._complete(slot, vector, ledger, as_of)
        self.engine.compare_only(slot, ledger.segment, vector)
        return vector, held

    def _complete(
        self, slot: int, vector: NDArray[np.float64], ledger: Ledger, as_of: int
    ) -> tuple[str, ...]:
        """Make a vector of the engine whole but for its percentiles; the feeds it does without."""
        if ledger.loans is None and ledger.lending is None:
            vector[NO_LENDING] = 0.0
        else:
            ledger.book.fill(vector, as_of, ledger.granted_minor)
        return self.engine.hold_back(slot, vector)

    # --- assessment, episodes, line -----------------------------------------------------------

    def _settle(self) -> None:
        """Assess those that wait, in the order in which they fell due."""
        if not self._waiting:
            return
        waiting = list(self._waiting.values())
        vectors = self._vectors[: len(waiting)]
        slots = np.fromiter(self._waiting, np.int64, len(waiting))
        self._waiting.clear()
        segments = [each.ledger.segment for each in waiting]
        self.engine.compare(slots, segments, vectors)
        looked_at = zip(
            waiting,
            vectors,
            json_texts(vectors),
            self._versions.rules.firing.met_by_each(vectors),
            self._judge(vectors),
            vectors[:, _TENURE].tolist(),
            rate(self._versions.anomaly, vectors, segments),
            strict=True,
        )
        for each, vector, text, fires, judgement, tenure_days, anomaly in looked_at:
            self._assess(each, vector, text, fires, judgement, tenure_days, anomaly)

    def _judge(self, vectors: NDArray[np.float64]) -> list[Judgement | None]:
        """What the model in force says of each; None where the history is too short."""
        known = HISTORY.met_by_each(vectors)
        said = iter(judge(vectors[known], self._versions.model))
        return [next(said) if each else None for each in known]

    def _assess(
        self,
        waiting: _Waiting,
        vector: NDArray[np.float64],
        text: bytes,
        fires: bool,
        judgement: Judgement | None,
        tenure_days: float,
        anomaly: Anomaly,
    ) -> None:
        due, line, ledger, _, _, held, exposure_minor = waiting
        at = due.as_of
        currency = ledger.currency or self.engine.currency_of(due.slot)
        values = vector.tolist() if fires or judgement is not None else []
        hits: list[Hit] = []
        if fires or ledger.met_since:
            hits = self._fire(values if fires else None, ledger, at, held, currency)
        if judgement is not None:
            verdict = with_history(values, judgement, hits, currency=currency, anomaly=anomaly)
        else:
            verdict = without_history(tenure_days, hits)
        if line is None:
            merchant, causes = self.engine.index.id_of(due.slot), [f"clock:{at}"]
        else:
            merchant, causes = line.merchant_id, [line.event_id]
        case = _Case(
            waiting,
            values or vector,
            merchant,
            currency or NO_CURRENCY,
            causes,
            hits,
            verdict,
        )
        self._emit_assessment(case, text)
        if due.trigger == _COMMAND:
            return  # a verdict is about the past: it opens no alert and moves no line
        self._limits.decide(
            due.slot,
            ledger,
            verdict,
            case.vector,
            merchant=merchant,
            currency=case.currency,
            hits=hits,
            held=held,
            exposure_minor=exposure_minor,
            causes=causes,
            as_of=at,
        )
        # After the decision: an alert says what can still be drawn.
        if hits or ledger.episodes:
            evidence = [line.event_id] if line is not None else []
            probability = verdict.probability_of_default
            self._alerts.update(
                merchant, ledger, case.vector, hits, held, evidence, at, probability
            )

    def _fire(
        self,
        vector: list[float] | None,
        ledger: Ledger,
        at: int,
        held: tuple[str, ...],
        currency: str | None,
    ) -> list[Hit]:
        """The rules that fire; ``vector`` is None where no condition is met."""
        met: list[Hit] = []
        rules = self._versions.rules
        if vector is not None:
            met = standing(met_rules(rules, vector, ledger.segment, currency=currency), held)
        hits, since = lasting(rules, met, ledger.met_since or {}, at, held)
        ledger.met_since = since or None
        return unyielding(rules, hits)

    def _emit_assessment(self, case: _Case, text: bytes) -> None:
        due, line, ledger, outcome, outcome_of, _, exposure_minor = case.waiting
        ledger.assessments += 1
        name = f"{case.merchant}\0{due.as_of}\0{ledger.assessments}".encode()
        verdict = case.verdict
        assessment = Assessment(
            assessment_id="as_" + hashlib.blake2b(name, digest_size=12).hexdigest(),
            merchant_id=case.merchant,
            as_of=due.as_of,
            segment=ledger.segment,
            trigger=line.type if line is not None else _TRIGGER_NAMES[due.trigger],
            probability_of_default=verdict.probability_of_default,
            horizon_days=self._versions.model.horizon_days,
            anomaly_score=verdict.anomaly_score,
            band=verdict.band,
            exposure_minor=exposure_minor,
            currency=case.currency,
            reasons=verdict.reasons,
            features=cast(Any, Raw(text)),  # JSON already: it goes into the record as it is
            causes=case.causes,
            **self._versions.stamps,
            outcome=outcome,  # type: ignore[arg-type]
            outcome_of=outcome_of,
            anomaly_version=self._versions.anomaly_version,
            unusual=list(verdict.unusual),
        )
        self._emit(topics.ASSESSMENTS, case.merchant, assessment)
        self.stats[f"assessments.{verdict.band}"] += 1

    def _emit(self, topic: str, merchant: str, value: Assessment | Alert | LimitChange) -> None:
        partition = self._limits.partition
        self._outputs.append(Output(topic, partition, merchant.encode(), encode(value)))

    def _request(self, value: BudgetRequest) -> None:
        self._outputs.append(Output(topics.BUDGET_REQUESTS, 0, None, encode(value)))
