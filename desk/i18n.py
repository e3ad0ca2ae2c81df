"""The desk in English and Simplified Chinese: English texts are the keys of the catalogue.

``messages/zh/*.json`` maps each English text to its Chinese one; placeholders stand in braces.
"""

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
NAMES: dict[Language, str] = {"en": "English", "zh": "中文"}
TAGS: dict[Language, str] = {"en": "en", "zh": "zh-Hans"}
"""Values of the HTML attribute ``lang`` (BCP 47)."""
FOLDER = Path(__file__).parent / "messages"

Translate = Callable[..., str]
"""``t(text, **values)``: the text in a language, with its placeholders filled."""


@cache
def catalogue(language: Language) -> dict[str, str]:
    """Texts of a language by their English form; empty for English.

    Raises ``ValueError`` when two files say different things of one text.
    """
    found: dict[str, str] = {}
    for path in sorted((FOLDER / language).glob("*.json")):
        for text, translated in json.loads(path.read_text("utf-8")).items():
            if found.setdefault(text, translated) != translated:
                raise ValueError(f"{path.name}: {text!r} is also {found[text]!r}")
    return found


def translator(language: Language) -> Translate:
    """``t`` of a language. A text without a translation is shown in English."""
    texts = catalogue(language)

    def t(text: str, /, **values: Any) -> str:
        shown = texts.get(text, text)
        return shown.format(**values) if values else shown

    return t


def chosen(cookie: str | None, accept: str) -> Language:
    """The language of a request: what was chosen, else the browser's first that there is."""
    if cookie in LANGUAGES:
        return cookie  # type: ignore[return-value]
    for tag in _accepted(accept):
        if tag.partition("-")[0] in LANGUAGES:
            return tag.partition("-")[0]  # type: ignore[return-value]
    return "en"


def _accepted(header: str) -> Iterator[str]:
    """Language tags of an Accept-Language header, the most wanted first."""
    weighed = []
    for place, part in enumerate(header.lower().split(",")[:20]):
        tag, _, weight = part.strip().partition(";q=")
        try:
            wanted = float(weight) if weight else 1.0
        except ValueError:
            continue
        if wanted > 0:
            weighed.append((-wanted, place, tag))
    return (tag for _, _, tag in sorted(weighed))
