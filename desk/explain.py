"""Reasons and quantities in the language of the reader. Pure.

Outputs are stored with English texts. In another language a reason is the label of its feature with
its numbers, or the name of its code; what a person wrote stays as it was written.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from desk.i18n import Language, Translate
from desk.present import ABSENT, Label, Labels, money, number, share, words

SAID = frozenset({"desk", "approved", "proposal_turned_down", "core_rejected"})
"""Codes whose text ends with what a person or the lending core gave as the reason."""

ACTIONS: dict[str, str] = {
    "open": "Line opened",
    "increase": "Limit raised",
    "decrease": "Limit cut",
    "freeze": "Line frozen",
    "release": "Line released",
    "override": "Limit set by hand",
    "close": "Line closed",
    "decline": "Application declined",
    "rollback": "Limit rolled back",
}
"""English texts of the actions of limit changes."""


class Explained(NamedTuple):
    """One reason: its text, its numbers in their unit, and its weight (log-odds; 0 for a rule)."""

    code: str
    text: str
    label: str
    value: str
    usual: str
    contribution: float


class Reader(NamedTuple):
    """Who reads: the language, its texts, and how features are shown."""

    language: Language
    t: Translate
    labels: Labels

    def label_of(self, name: str) -> str:
        """A feature's name."""
        label = self.labels.get(name)
        if label is None:
            return self.t(words(name))
        return label.text_zh if self.language == "zh" and label.text_zh else label.text

    def action(self, name: str) -> str:
        """What a limit change did."""
        return self.t(ACTIONS.get(name, words(name)))

    def quantity(self, value: float | None, label: Label, currency: str) -> str:
        """A feature's value in its unit."""
        if value is None:
            return self.t(ABSENT)
        if label.unit == "minor":
            return money(value, currency)
        if label.unit == "flag":
            return self.t("yes") if value else self.t("no")
        if label.unit == "ratio":
            return share(value)
        if label.unit in ("days", "hours"):
            return f"{number(value)} {self.t(label.unit)}"
        return number(value)

    def reasons(self, row: Mapping[str, Any], currency: str) -> list[Explained]:
        """Ranked reasons of a row of assessments, alerts or limit changes."""
        columns = ("codes", "texts", "reason_features", "reason_values", "reason_usuals")
        each = zip(*(row[name] for name in columns), row["contributions"], strict=True)
        return [self._reason(*parts, currency=currency) for parts in each]

    def _reason(
        self,
        code: str,
        text: str,
        feature: str,
        value: float | None,
        usual: float | None,
        contribution: float,
        *,
        currency: str,
    ) -> Explained:
        known = self.labels.get(feature) or Label("", "", "minor" if not feature else "", "")
        shown = "" if value is None else self.quantity(value, known, currency)
        often = "" if usual is None else self.quantity(usual, known, currency)
        if self.language != "en":
            text = self._translated(code, text, feature, shown, often)
        label = self.label_of(feature) if feature else ""
        return Explained(code, text or self.t(words(code)), label, shown, often, contribution)

    def _translated(self, code: str, text: str, feature: str, value: str, usual: str) -> str:
        name = self.label_of(feature) if feature in self.labels else self.t(words(code))
        if code in SAID:
            _, _, said = text.partition(": ")
            return f"{self.t(words(code))}: {said}" if said else self.t(words(code))
        if not value:
            return name
        often = f" ({self.t('usual')} {usual})" if usual else ""
        return f"{name}: {value}{often}"
