"""A policy and the products that it offers as one text: what is published and kept.

It is a stream of YAML documents: the policy first, then each product, separated by lines of
``---``. So a published policy is whole, and a decision can be made again from it alone.
"""

import re
from collections.abc import Mapping

import yaml

from credit.fields import PolicyError

PRODUCTS_MAX = 32
_SEPARATOR = re.compile(r"^---[ \t]*\r?\n?", re.MULTILINE)
_VERSION = re.compile(r"^version:[ \t]*[\"']?([a-z0-9][a-z0-9._-]*)", re.MULTILINE)


def documents(text: str) -> list[tuple[int, str]]:
    """The documents of a bundle, each with the line at which it begins; blank ones left out."""
    found, start = [], 0
    for separator in (*_SEPARATOR.finditer(text), None):
        stop = len(text) if separator is None else separator.start()
        if text[start:stop].strip():
            found.append((text.count("\n", 0, start) + 1, text[start:stop]))
        start = stop if separator is None else separator.end()
    return found


def bundle(text: str, shipped: Mapping[str, str]) -> str:
    """``text`` followed by the products that its policy names and it lacks, from ``shipped``.

    ``shipped`` has the texts of products by version. A product that is in neither is left to
    ``credit.policy.load_policy``, which names it; so is whatever else is wrong. A text that lacks
    nothing stays as it is.
    """
    parts = documents(text)
    if not parts:
        return text
    own = {match[1] for _, part in parts[1:] if (match := _VERSION.search(part))}
    missing = [each for each in _named(parts[0][1]) if each in shipped and each not in own]
    if not missing:
        return text
    return (
        "\n---\n".join([text.strip("\n"), *(shipped[each].strip("\n") for each in missing)]) + "\n"
    )


def _named(policy: str) -> list[str]:
    """Versions under ``products`` of a policy that may yet be refused."""
    try:
        data = yaml.safe_load(policy)
    except (yaml.YAMLError, ValueError, RecursionError):
        return []
    names = data.get("products") if isinstance(data, dict) else None
    if not isinstance(names, list):
        return []
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))[:PRODUCTS_MAX]


def refuse_many(count: int) -> None:
    """Raises ``PolicyError`` where a bundle has more documents than a policy may have products."""
    if count > PRODUCTS_MAX + 1:
        raise PolicyError(1, f"{count - 1} products; a policy has at most {PRODUCTS_MAX}")
