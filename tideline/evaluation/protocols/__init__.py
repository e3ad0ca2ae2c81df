"""The bundled protocols by name; `events` judges other data."""

from collections.abc import Mapping

from tideline.evaluation.protocols import cards, loans, promises, sme, terminals
from tideline.evaluation.questions import Protocol

PROTOCOLS: Mapping[str, Protocol] = {
    each.name: each
    for each in (
        sme.PROTOCOL,
        loans.PROTOCOL,
        cards.PROTOCOL,
        terminals.PROTOCOL,
        promises.BREAKS,
        promises.PLACED,
    )
}
