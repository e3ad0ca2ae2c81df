"""Champion and challengers, judged prequentially: each says what it thinks, then learns.

A challenger takes the champion's place by rule (``Contest.winner``), never because it is newer.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import median

import msgspec
import numpy as np
from msgspec import Struct

from detectors.bayesian import BayesianLogistic
from detectors.boosted import BoostedTrees
from detectors.default_risk import PRIOR_MODEL, PRIOR_SCORECARD, Model, score
from detectors.floors import FLOORS, centred
from detectors.learning import OnlineDefaultModel
from detectors.metrics import calibration_report, log_loss, roc_auc
from detectors.recalibration import Recalibrated
from features.catalogue import FEATURE_VERSION

LOOK_EVERY = 25
"""Labels between two looks at who wins."""
CLASS_MIN = 3
"""Labels of each class that a look rests on."""
WINDOW = 500
"""Labels over which all are compared, at most: those since the last promotion."""
PACE_MS = 86_400_000
"""Least event time between two promotions: a wrong one is found and rolled back before the next.
Where labels are loaded in bulk, a full window of them stands for it."""
FADING = 0.9995
"""What a label's loss counts after the next: challengers are told apart by some 2,000 labels."""
CAPACITY = 0.1
"""Share of merchants that a desk can look at: what precision and recall are taken at."""
CHANCE = 0.5
"""ROC AUC of a ranking by lot."""
CHAMPION = "champion"
Challenger = OnlineDefaultModel | Recalibrated | BayesianLogistic | BoostedTrees
START: dict[str, tuple[type[Challenger], Model]] = {
    "logistic": (OnlineDefaultModel, PRIOR_MODEL),
    "scorecard": (OnlineDefaultModel, PRIOR_SCORECARD),
    "recalibrated": (Recalibrated, PRIOR_MODEL),
    "bayesian": (BayesianLogistic, PRIOR_MODEL),
    "boosted": (BoostedTrees, PRIOR_MODEL),
}
"""The challengers by name: how each learns, and from what it starts."""


class Outcome(Struct, frozen=True, array_like=True):
    """One label with what everybody had said before learning it.

    ``said`` are probabilities by name, ``naive`` the scores of ``floors`` in their order, NaN where
    not available; ``lead_days`` is how long before the outcome that was said.
    """

    defaulted: bool
    exposure_minor: int
    said: dict[str, float]
    naive: list[float]
    lead_days: float = 0.0


class Standing(Struct, frozen=True, kw_only=True):
    """How one forecast or floor did over the labels of the window.

    ``log_loss`` and ``calibration_error`` (mean forecast less the share of defaults) are None for a
    floor, which states no probability; ``roc_auc`` is None while there is one class only. Precision
    and recall are those of the riskiest ``CAPACITY`` of merchants, ``exposure_found`` the share of
    the defaulted exposure among them, ``lead_time_days`` the median time from the features that
    put a merchant among them to its default; None where none is found.
    """

    n: int
    defaults: int
    log_loss: float | None
    roc_auc: float | None
    calibration_error: float | None
    precision: float
    recall: float | None
    exposure_found: float | None
    lead_time_days: float | None = None


class _State(Struct, kw_only=True, forbid_unknown_fields=True):
    champion: Model
    challengers: dict[str, bytes]
    outcomes: list[Outcome]
    promoted_at: int
    labels: int
    faded: dict[str, float]


class Contest:
    """One champion, its challengers, and the labels since the last promotion."""

    def __init__(self) -> None:
        self.champion = PRIOR_MODEL
        self.challengers: dict[str, Challenger] = {
            name: learns.from_model(model) for name, (learns, model) in START.items()
        }
        self.outcomes: list[Outcome] = []
        self.labels = 0
        self._faded = dict.fromkeys(self.challengers, 0.0)
        self._promoted_at = 0

    def learn(
        self,
        inputs: Mapping[str, float],
        defaulted: bool,
        *,
        at: int,
        naive: Sequence[float],
        exposure_minor: int = 0,
        lead_days: float = 0.0,
        judges: bool = True,
    ) -> None:
        """Note what everybody says of a merchant, then let the challengers learn its outcome.

        ``inputs`` come from ``transform.model_inputs``, ``at`` is the event time of the outcome
        (epoch ms), ``naive`` the scores of ``floors.naive_scores``, ``lead_days`` the age of the
        inputs at the outcome. A label that does not judge is learnt and changes no standing.
        """
        if judges:
            said = {CHAMPION: score(self.champion, inputs)[0]}
            said |= {name: each.predict(inputs) for name, each in self.challengers.items()}
            self.outcomes.append(Outcome(defaulted, exposure_minor, said, list(naive), lead_days))
            del self.outcomes[:-WINDOW]
            for name in self.challengers:
                loss = log_loss([said[name]], [defaulted])
                self._faded[name] = FADING * self._faded[name] + loss
            self.labels += 1
        for each in self.challengers.values():
            each.learn(inputs, defaulted, at)

    def standings(self) -> dict[str, Standing]:
        """Champion, challengers and floors over the window; empty without a label."""
        if not self.outcomes:
            return {}
        labels = [o.defaulted for o in self.outcomes]
        exposures = [o.exposure_minor for o in self.outcomes]
        leads = [o.lead_days for o in self.outcomes]
        found = {}
        for name in (CHAMPION, *self.challengers):
            forecasts = [o.said[name] for o in self.outcomes]
            found[name] = _standing(forecasts, labels, exposures, leads, stated=True)
        for i, name in enumerate(FLOORS):
            ranked = centred(np.array([o.naive[i] for o in self.outcomes])).tolist()
            found[name] = _standing(ranked, labels, exposures, leads, stated=False)
        return found

    def winner(self, at: int) -> str | None:
        """The challenger that takes the champion's place now, or None.

        Looked at every ``LOOK_EVERY`` labels, with at least ``CLASS_MIN`` of each class since the
        last promotion and ``PACE_MS``, or ``WINDOW`` labels, after it: the challenger with the
        least log loss over all labels, faded (Gama et al., 2013), since among several that are
        close a single window picks by luck. It is promoted if its log loss since the last promotion
        does not exceed the champion's and it ranks better (ROC AUC) than every floor, and chance.
        """
        early = self._promoted_at and at < self._promoted_at + PACE_MS
        if self.labels % LOOK_EVERY or (early and len(self.outcomes) < WINDOW):
            return None
        defaults = sum(o.defaulted for o in self.outcomes)
        if min(defaults, len(self.outcomes) - defaults) < CLASS_MIN:
            return None
        standings = self.standings()
        best = min(self.challengers, key=self._faded.__getitem__)
        if _loss(standings[best]) > _loss(standings[CHAMPION]):
            return None
        floor = max(standings[name].roc_auc or 0.0 for name in FLOORS)
        floor = max(floor, CHANCE)
        return best if (standings[best].roc_auc or 0.0) > floor else None

    def promote(self, name: str, *, version: str, at: int) -> Model:
        """Make a challenger's present state the champion, under a new version.

        Its metrics are the standings of all, and how far what it said itself could be believed
        (``metrics.calibration_report``): said of labels before they were learnt. Raises
        ``ModelError`` if it has diverged; the champion then stays.
        """
        metrics = {
            f"{who}.{field}": float(value)
            for who, standing in self.standings().items()
            for field, value in msgspec.structs.asdict(standing).items()
            if value is not None
        }
        said = [outcome.said[name] for outcome in self.outcomes]
        labels = [outcome.defaulted for outcome in self.outcomes]
        for field, figure in calibration_report(said, labels).items():
            metrics[f"{name}.{field}"] = figure
        model = self.challengers[name].to_model(
            version=version, parent=self.champion.version, trained_until=at, metrics=metrics
        )
        self.champion, self._promoted_at = model, at
        self.outcomes.clear()
        return model

    def roll_back(self, model: Model, at: int) -> None:
        """An earlier version was put in force at ``at`` (epoch ms): it is the champion again.

        The comparison starts anew, and the pace of promotions counts from here: what was rolled
        back is not back at once.
        """
        self.champion, self._promoted_at = model, at
        self.restart_window()

    def restart_window(self) -> None:
        """Compare by labels from here on only: those before were of another time."""
        self.outcomes.clear()

    def snapshot(self) -> bytes:
        """All of the state, as msgpack."""
        return msgspec.msgpack.encode(
            _State(
                champion=self.champion,
                challengers={n: each.snapshot() for n, each in self.challengers.items()},
                outcomes=self.outcomes,
                promoted_at=self._promoted_at,
                labels=self.labels,
                faded=self._faded,
            )
        )

    @classmethod
    def restore(cls, raw: bytes) -> "Contest":
        """Inverse of ``snapshot``. Raises ``msgspec.DecodeError`` on other bytes.

        What was learnt on the features of another release fits no vector of this one: then the
        contest starts anew.
        """
        state = msgspec.msgpack.decode(raw, type=_State)
        contest = cls()
        if state.champion.feature_version != FEATURE_VERSION:
            return contest
        contest.champion, contest.outcomes = state.champion, state.outcomes
        contest.challengers = {
            name: START[name][0].restore(each) for name, each in state.challengers.items()
        }
        contest.labels, contest._promoted_at = state.labels, state.promoted_at
        contest._faded = state.faded
        return contest


def auc_margin(standings: Mapping[str, Standing]) -> float | None:
    """ROC AUC of the champion less that of the best floor; None while there is one class only."""
    champion = standings.get(CHAMPION)
    if champion is None or champion.roc_auc is None:
        return None
    return champion.roc_auc - max(standings[name].roc_auc or 0.0 for name in FLOORS)


def _loss(standing: Standing) -> float:
    return math.inf if standing.log_loss is None else standing.log_loss


def _standing(
    forecasts: Sequence[float],
    labels: Sequence[bool],
    exposures: Sequence[int],
    leads: Sequence[float],
    *,
    stated: bool,
) -> Standing:
    n, defaults = len(labels), sum(labels)
    # Of equal forecasts the earlier label comes first: one order, and no luck in it.
    riskiest = sorted(range(n), key=lambda i: -forecasts[i])[: max(1, math.floor(n * CAPACITY))]
    lost = sum(e for e, label in zip(exposures, labels, strict=True) if label)
    found = [i for i in riskiest if labels[i]]
    caught = sum(exposures[i] for i in found)
    return Standing(
        n=n,
        defaults=defaults,
        log_loss=log_loss(forecasts, labels) if stated else None,
        roc_auc=roc_auc(forecasts, labels),
        calibration_error=sum(forecasts) / n - defaults / n if stated else None,
        precision=len(found) / len(riskiest),
        recall=len(found) / defaults if defaults else None,
        exposure_found=caught / lost if lost else None,
        lead_time_days=median(leads[i] for i in found) if found else None,
    )
