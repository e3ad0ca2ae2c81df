"""Names that the desk shows and may not look up itself: of features, and of kinds of alerts."""

from desk.alerting import KindLabel, Kinds
from desk.present import Label, Labels
from detectors.facts import FACTS
from detectors.rule_loading import load_rules
from features.catalogue import CATALOGUE
from streams.artifacts import builtin_rules


def labels() -> Labels:
    """How each feature of the catalogue is shown, in its order."""
    return {
        feature.name: Label(
            feature.label,
            feature.label_zh,
            feature.unit,
            feature.family,
            usual=FACTS[feature.name].usual,
            usual_scale=FACTS[feature.name].usual_scale,
            percentile=FACTS[feature.name].peers,
            worse=feature.direction,
        )
        for feature in CATALOGUE
    }


def kinds() -> Kinds:
    """Labels of the kinds of the shipped rule file; one of a later file is shown by its code."""
    rules = load_rules(builtin_rules())
    return {rule.kind: KindLabel(rule.label.en, rule.label.zh) for rule in rules.rules}
