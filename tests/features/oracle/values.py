"""Every feature of a merchant but its percentiles, from the raw lines of the log."""

from collections.abc import Sequence

from features.catalogue import CATALOGUE
from features.lines import LogLine
from tests.features.oracle.cash import cash
from tests.features.oracle.change import change
from tests.features.oracle.customers import customers
from tests.features.oracle.history import History, Values
from tests.features.oracle.invoices import invoices
from tests.features.oracle.lending import lending
from tests.features.oracle.logistics import logistics
from tests.features.oracle.sales import sales
from tests.features.oracle.signals import signals

OWN = tuple(feature.name for feature in CATALOGUE if feature.family != "peers")
"""Names of all features but the percentiles, in vector order."""


def oracle_values(
    lines: Sequence[LogLine], merchant: str, as_of: int, limit_minor: int = 0
) -> Values:
    """The exact values by name, None where not available.

    ``lines`` are those of the partition so far, in order of arrival, duplicates included; a line
    of an id seen before counts as one (the caller keeps ``dedup_events`` large enough).
    """
    history = History(lines, merchant)
    found: Values = dict.fromkeys(OWN)
    if history.events:
        for family in (sales, customers, logistics, cash, invoices, signals, change):
            found |= family(history, as_of)
    found |= lending(history.lending, as_of, limit_minor)
    assert found.keys() == set(OWN), found.keys() ^ set(OWN)
    return found
