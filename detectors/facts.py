"""What each feature says as a reason, in English and Chinese: a sentence, or its label and value.

Unit, usual level and labels come from the catalogue, sentences from ``detectors.sentences``. Every
feature of the catalogue has a fact.
"""

from typing import Literal

from msgspec import Struct

from detectors.sentences import SENTENCES, Sentence
from features.catalogue import CATALOGUE, MONEY, PEERS_EN, PEERS_ZH, percentile_of
from features.feature import Feature, Unit

Measure = Literal["money", "share", "days", "hours", "count", "number", "flag"]
_MEASURES: dict[Unit, Measure] = {
    "minor": "money",
    "ratio": "share",
    "days": "days",
    "hours": "hours",
    "count": "count",
    "score": "number",
    "flag": "flag",
}


class Fact(Struct, frozen=True):
    """What one feature says. ``{value}`` stands for its value; the ends take ``{usual}``.

    ``usual`` names the feature that holds the usual level, ``usual_scale`` brings it to the span of
    this one; ``peers`` names the feature that holds its percentile among peers.
    """

    code: str
    measure: Measure
    en: str
    zh: str
    usual: str | None
    usual_scale: float
    en_usual: str
    zh_usual: str
    peers: str | None


def _sentence(feature: Feature) -> Sentence:
    """The feature's own sentence, else one from its label; the code is then its name."""
    if feature.name in SENTENCES:
        return SENTENCES[feature.name]
    if feature.family == "peers":
        en, zh = feature.label.removesuffix(PEERS_EN), feature.label_zh.removesuffix(PEERS_ZH)
        return Sentence(
            feature.name,
            f"{en}: above {{value}} of the merchants of its segment",
            f"{zh}：高于同业{{value}}的商户",
        )
    return Sentence(feature.name, f"{feature.label}: {{value}}", f"{feature.label_zh}：{{value}}")


def _fact(feature: Feature) -> Fact:
    sentence = _sentence(feature)
    return Fact(
        code=sentence.code,
        measure=_MEASURES[feature.unit],
        en=sentence.en,
        zh=sentence.zh,
        usual=sentence.usual or feature.usual,
        usual_scale=sentence.usual_scale,
        en_usual=sentence.en_usual,
        zh_usual=sentence.zh_usual,
        peers=percentile_of(feature.name) if feature.name in MONEY else None,
    )


FACTS: dict[str, Fact] = {feature.name: _fact(feature) for feature in CATALOGUE}
"""Feature -> what it says."""
