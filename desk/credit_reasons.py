"""Reasons of a limit change in the language of the page. Pure."""

from collections.abc import Mapping
from typing import Any

from desk import present
from desk.i18n import Language, Translate


def reasons_in(
    language: Language, t: Translate, row: Mapping[str, Any], labels: present.Labels
) -> list[str]:
    """One text for each reason.

    What is stored is English. In another language the feature's label stands with its numbers, and
    for a reason without a number its code in words.
    """
    found = present.reasons(row, labels, row["currency"])
    if language == "en":
        return [each["text"] for each in found]
    texts = []
    for code, each in zip(row["codes"], found, strict=True):
        name = t(present.words(code))
        label = each["label_zh"] or name
        if each["value"] is None:
            texts.append(name)
        elif each["usual"] is None:
            texts.append(t("{label}: {value}", label=label, value=each["value"]))
        else:
            texts.append(
                t(
                    "{label}: {value}, usually {usual}",
                    label=label,
                    value=each["value"],
                    usual=each["usual"],
                )
            )
    return texts
