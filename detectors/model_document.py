"""Model cards: what each model of the registry is for, how it learns and what it cannot do.

After Mitchell et al. (2019). Names, inputs and parameters come from the code, so that the page
cannot say other than what runs.
"""

from msgspec import Struct

from detectors.anomaly_inputs import INPUTS as ANOMALY_INPUTS
from detectors.anomaly_learning import PARAMETERS
from detectors.anomaly_model import SCHEMA as ANOMALY_SCHEMA
from detectors.bins import CUTS
from detectors.contest import CLASS_MIN, LOOK_EVERY, START, WINDOW
from detectors.default_risk import PRIOR_MODEL, SCHEMA, Z_BOUND, Model
from detectors.labelling import GOOD_WAITS_MS, MATURITY_MS
from detectors.labels import DAY_MS
from detectors.prior import PRIOR
from detectors.scorer import LEVELS
from detectors.transform import DIRECTIONS, INPUT_NAMES, MISSING
from detectors.trees import DEPTH, TREES_MAX
from features.catalogue import CATALOGUE

PRIOR_CARD = "prior"
FIXED_CARD = "robust-distance"
_SIDES = {1.0: "higher is riskier", -1.0: "lower is riskier", 0.0: "not stated"}


class Card(Struct, frozen=True, kw_only=True):
    """One model. ``name`` is the challenger's, ``family`` the heading it stands under."""

    name: str
    family: str
    title: str
    purpose: str
    learning: str
    calibration: str
    directions: str
    explanation: str
    limits: str


_DEFAULT_RISK = "Default risk"
_ANOMALY = "Anomaly"
_LINEAR = (
    "exact: weight times standardised input, in log-odds from the merchant that has the mean of "
    "every input; contributions and base sum to the log-odds"
)
CARDS: tuple[Card, ...] = (
    Card(
        name=PRIOR_CARD,
        family=_DEFAULT_RISK,
        title="Expert prior",
        purpose="says something sensible from the first day, before any label, and is what the "
        "first challengers start from and must beat",
        learning="not at all: means, deviations and weights are judgement, as in a scorecard set "
        "up without data (Siddiqi, 2006, ch. 1)",
        calibration="a stated probability of the mean merchant; nothing was fitted, so bands are "
        "a ranking until a recalibrated version is in force",
        directions="the weight of every input with a direction has its sign, others weigh 0",
        explanation=_LINEAR,
        limits="ranks for default alone: on another outcome it may rank the wrong way round; its "
        "base rate is no merchant population's",
    ),
    Card(
        name="recalibrated",
        family=_DEFAULT_RISK,
        title="Recalibrated prior",
        purpose="the ranking of a version with the probabilities of what really defaults; wins "
        "where labels are few",
        learning="slope and offset of the log-odds, by an extended Kalman filter (Spiegelhalter "
        "and Lauritzen, 1990), one label at a time",
        calibration="it is one (Platt's form); the slope stays above 0, so no ranking turns round",
        directions="those of the version that it starts from",
        explanation=_LINEAR,
        limits="cannot rank better than what it starts from",
    ),
    Card(
        name="logistic",
        family=_DEFAULT_RISK,
        title="Logistic regression",
        purpose="starts from the prior and moves away from it as labels come",
        learning="stochastic gradient of the log loss with a class weight (River), on inputs "
        "standardised by their running moments; a version takes the average of the steps, later "
        "ones weighing more (Shamir and Zhang, 2013)",
        calibration="the class weight is taken out of the intercept (King and Zeng, 2001)",
        directions="projected gradient: a weight that a step turned round goes back to 0",
        explanation=_LINEAR,
        limits="each label moves it by a constant rate, so it is slow where labels are rich; a "
        "straight line in each input",
    ),
    Card(
        name="scorecard",
        family=_DEFAULT_RISK,
        title="Points scorecard",
        purpose="points by bin of each input, as credit officers read them",
        learning="as the logistic regression, on one indicator for each bin, cut at "
        f"{', '.join(f'{cut:g}' for cut in CUTS)} deviations from the prior's mean",
        calibration="as the logistic regression",
        directions="the published points are the nearest that are monotone over the bins of an "
        "input (pool adjacent violators; Ayer et al., 1955)",
        explanation="exact: the points of the bin that the merchant is in",
        limits="bins are fixed: within one, nothing changes the score",
    ),
    Card(
        name="bayesian",
        family=_DEFAULT_RISK,
        title="Bayesian logistic regression",
        purpose="starts from zero weights, so that it owes the prior nothing: for outcomes other "
        "than default, and where labels are rich",
        learning="a Gaussian belief over all weights, moved by each label by an extended Kalman "
        "filter (Murphy, 2012, ch. 8.5); no learning rate, nothing is forgotten",
        calibration="by the belief itself; nothing is added",
        directions="the most likely weights within the directions are published, by coordinate "
        "descent; the belief itself is not clipped",
        explanation=_LINEAR,
        limits="a straight line in each input; does not forget, so a changed world is learnt "
        "slowly",
    ),
    Card(
        name="boosted",
        family=_DEFAULT_RISK,
        title="Gradient-boosted trees",
        purpose="sees thresholds and what holds of several inputs together, where there are labels "
        "enough for that",
        learning=f"trees of depth {DEPTH} by Newton boosting (Chen and Guestrin, 2016), grown anew "
        "from the last labels at fixed counts; of rare defaults all are kept, of good outcomes a "
        f"share that counts for the rest; inputs are coded in {LEVELS} levels",
        calibration="slope and offset as of the recalibrated prior, learnt on what was said of "
        "labels before they joined",
        directions="a split against a direction is not taken, and the middle of its two sides "
        "bounds all below (as in Chen and Guestrin's implementation)",
        explanation="path contributions (Saabas, 2014): at each split the value of the child less "
        "that of the node goes to its input; they and the base sum to the log-odds. They depend on "
        "the order of the splits, which exact Shapley values would not",
        limits="an input that is not available is taken as the mean and is never stated as a "
        "reason; scores move in steps, and all at once when trees are grown anew",
    ),
)
"""Every model that may be in force, the prior first. A test holds it to the registry."""

_ANOMALY_CALIBRATION = (
    "the score is a quantile among rows of the segment that were held out from the trees (split "
    "conformal): 0.95 is more unusual than 95 % of its assessments"
)
ANOMALY_CARDS: tuple[Card, ...] = (
    Card(
        name="half-space-trees",
        family=_ANOMALY,
        title="Half-space trees",
        purpose="see what is odd only together, among the merchants of the segment",
        learning="without labels, from the newest rows of each segment, grown anew every 128 of "
        "them (River; Tan, Ting and Liu, 2011); a merchant gives one row a week",
        calibration=_ANOMALY_CALIBRATION,
        directions="none: unusually good is unusual too",
        explanation="occlusion: how much less strange the merchant is with the median in the place "
        "of an input; from 0.99 on, at most three features",
        limits="hardly see one number far out, and anomalies that come packed together",
    ),
    Card(
        name="segment-distance",
        family=_ANOMALY,
        title="Distance from the segment",
        purpose="sees one number far out, which trees hardly do",
        learning="medians and spreads of the same rows",
        calibration=_ANOMALY_CALIBRATION,
        directions="none",
        explanation="the inputs that deviate most, in spreads of the segment",
        limits="knows no combination of inputs",
    ),
    Card(
        name=FIXED_CARD,
        family=_ANOMALY,
        title="Distance from the own usual",
        purpose="compares a merchant with itself; speaks alone, as `robust-distance-1`, until a "
        "version is in force",
        learning="not at all: a fixed formula over the merchant's own usual and its noise",
        calibration="as the others; alone it is a rank, and no quantile",
        directions="none",
        explanation="the parts that deviate most, in units of the merchant's own noise",
        limits="says nothing in the first 56 days of a merchant",
    ),
)
"""What the anomaly score is made of; the one that lies furthest out, in the unit of the segment,
counts."""
ALL_CARDS: tuple[Card, ...] = (*CARDS, *ANOMALY_CARDS)
_ANOMALY_INTRODUCTION = f"""Published as `anomaly-N` (`{ANOMALY_SCHEMA}`) in the same signed \
envelope. The score is that of the part that lies furthest out. It moves neither probability, band \
nor limit, so it is no reason for a decision; `unusual` names what makes it high. Why it is so, \
and \
why River's one-class support vector machine is left out, is in [decision \
15](decisions/0015-what-is-unusual-is-learnt-without-labels.md)."""

_INTRODUCTION = f"""What each model is for, how it learns and what it cannot do (model cards after \
Mitchell et al., 2019). Written by `tideline models --markdown` from the registry \
(`detectors/contest.py`). How well they do is in [quality.md](quality.md), failures included; why \
one is promoted is in [decision 13](decisions/0013-who-may-become-champion.md), why the trees are \
grown as they are in [decision 17](decisions/0017-boosted-trees-from-the-last-labels.md).

- **Use**: to order a risk desk's work, and, within a credit policy's guardrails, to move limits \
of merchants that already trade. Not meant for consumers, for a decision without the policy, or \
for merchants whose history is too short: they get `insufficient_history` and no probability.
- **Never an input**: a person's sex, age, marital status, education or name. Where a data set has \
them, the report shows what was predicted and observed by group, since trade may still mirror them.
- **Promotion**: challengers say what they think of each labelled merchant before they learn it; \
every {LOOK_EVERY} labels the one with the least log loss over the last labels, some 2,000, \
becomes champion if, over those since the last promotion (at most {WINDOW}), it is no worse than \
the champion and ranks better than every naive floor, with at least {CLASS_MIN} labels of each \
class. A version is undone by `model.rollback`."""


def markdown() -> str:
    """The page."""
    parts = ["# Models", _INTRODUCTION, _labels(), _format(), _table(), f"## {_DEFAULT_RISK}"]
    parts += [_section(card, start_of(card).parameters) for card in CARDS]
    parts += [_inputs(), f"## {_ANOMALY}", _ANOMALY_INTRODUCTION]
    parts += [
        _section(card, {} if card.name == FIXED_CARD else PARAMETERS) for card in ANOMALY_CARDS
    ]
    parts.append(_anomaly_inputs())
    return "\n\n".join(parts) + "\n"


def start_of(card: Card) -> Model:
    """The version that a model is before its first label."""
    if card.name == PRIOR_CARD:
        return PRIOR_MODEL
    learns, model = START[card.name]
    return learns.from_model(model).to_model(version="start", parent=None, trained_until=0)


def _labels() -> str:
    return f"""## Labels

A loan is a label once: bad when it is 30 days late or in default, good when it is settled; a \
verdict of the desk that an alert ended in default is a bad one. Verdicts *confirmed* and *false \
alarm* teach a quarter as much and judge nobody ([decision \
16](decisions/0016-signed-versions-labels-and-roll-backs.md)). A label is learnt with the \
merchant's features as they were {MATURITY_MS // DAY_MS} days before, where there are any: what \
is learnt is to foresee. A good outcome waits {GOOD_WAITS_MS // DAY_MS} days more, until bad ones \
of the same age are known. Labels whose share of defaults departs from all before are held in \
quarantine; while there is drift nobody is promoted ([drift.md](drift.md)). The probability is of \
default within `horizon_days` of the version, \
{PRIOR_MODEL.horizon_days} for all that start from the prior."""


def _format() -> str:
    return f"""## Versions

A version is one JSON document (`{SCHEMA}`) in an envelope that the learner signs: kind, feature \
version, inputs, numbers, calibration, parent, training window, counts of labels, library \
version, parameters, seed and metrics. Metrics \
hold the standing of every model and floor over the window that promoted it, and of the version \
itself Brier score, expected calibration error and a reliability table (`NAME.reliability.N.…`), \
on what it said of labels before they were learnt. It holds no code and is checked whole before \
use: schema and feature version, known inputs, finite and bounded numbers, weights and points \
within the directions, and trees (at most {TREES_MAX}, of depth {DEPTH}) without a split against \
one. What fails is refused and the version in force stays. A published version never changes."""


def _table() -> str:
    rows = ["| model | kind | as a challenger | what it is for |", "| --- | --- | --- | --- |"]
    for card in CARDS:
        role = "in force at first" if card.name == PRIOR_CARD else f"`{card.name}`"
        rows.append(
            f"| [{card.title}](#{_anchor(card.title)}) | {start_of(card).kind} | {role} "
            f"| {card.purpose} |"
        )
    return "## All models\n\n" + "\n".join(rows)


def _section(card: Card, parameters: dict[str, float]) -> str:
    shown = ", ".join(f"`{name}` {value:g}" for name, value in parameters.items()) or "none"
    return "\n".join(
        (
            f"### {card.title}",
            "",
            f"- **Purpose**: {card.purpose}.",
            f"- **Learns**: {card.learning}.",
            f"- **Parameters**: {shown}.",
            f"- **Calibration**: {card.calibration}.",
            f"- **Directions**: {card.directions}.",
            f"- **Explanation**: {card.explanation}.",
            f"- **Known limits**: {card.limits}.",
        )
    )


def _inputs() -> str:
    """All inputs with direction and scale; one table, since all models read the same."""
    known = {feature.name: feature for feature in CATALOGUE}
    rows = ["| input | scale | direction | prior weight |", "| --- | --- | --- | --- |"]
    for name, side in zip(INPUT_NAMES, DIRECTIONS.tolist(), strict=True):
        if name.startswith(MISSING):
            scale, weight = "1 where the source has nothing to tell", 0.0
        else:
            scale, weight = known[name].transform, PRIOR[name][2]
        rows.append(f"| `{name}` | {scale} | {_SIDES[side]} | {weight:g} |")
    return f"""## Inputs

The {len(INPUT_NAMES)} inputs of every model, from [the features](features.md), standardised and \
bounded at {Z_BOUND:g} deviations, binned, or coded. One that is not available moves no linear \
score. Where a direction is stated, no version lowers the probability when the input moves to its \
riskier side.

""" + "\n".join(rows)


def _anomaly_inputs() -> str:
    listed = ", ".join(f"`{name}`" for name in ANOMALY_INPUTS)
    return f"""### Inputs of the anomaly models

{listed}. They are scaled to 0-1 by the median and the spread of the segment; one that is not \
available counts as the median."""


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")
