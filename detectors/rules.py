"""The sentinels' rules as data: what fires, what still holds, and on which evidence.

A rule fires when all tests of its ``evidence`` and all tests of one of its ``levels`` are met. An
open episode of its kind clears by ``hold``, whose thresholds are lower (hysteresis). A test on a
feature that is not available is not met: a missing feed never fires a rule. Rationale:

- *Own usual and an absolute floor*: a level compares the merchant with itself, and also asks for a
  size that matters by itself, so that 2 refunds instead of 1 are no alert.
- *Minimum evidence*: young, thin, irregular and strongly seasonal merchants are left to the model.
"""

from msgspec import Struct

from detectors.checks import Check
from schemas.outputs import Severity

SENTINEL_VERSION = "sentinels-1"
"""Changes with any threshold below."""


class Level(Struct, frozen=True):
    """A severity and the tests that must all be met for it.

    The reasons of a hit state the features of ``tests``; ``given`` is evidence beside them.
    """

    severity: Severity
    tests: tuple[Check, ...]
    given: tuple[Check, ...] = ()


class Rule(Struct, frozen=True):
    """One sentinel. ``feeds`` names what it needs; ``yields_to`` kinds that say the same better."""

    kind: str
    family: str
    feeds: tuple[str, ...]
    evidence: tuple[Check, ...]
    levels: tuple[Level, ...]
    hold: tuple[tuple[Check, ...], ...]
    rationale: str
    yields_to: tuple[str, ...] = ()


_SALES_28D, _SALES_7D = "turnover_28d_minor", "turnover_7d_minor"
_USUAL = "turnover_usual_28d_minor"

RULES: tuple[Rule, ...] = (
    Rule(
        kind="sales_silence",
        family="sales_collapse_or_silence",
        feeds=("any",),
        evidence=(
            Check("tenure_days", "ge", 56),
            Check(_USUAL, "ge", 1),
            Check("silence_usual_days", "le", 14),
        ),
        levels=(
            Level(
                "critical",
                (
                    Check("silence_days", "ge", 21),
                    Check("silence_days", "ge", 3, "silence_usual_days"),
                ),
            ),
            Level(
                "warning",
                (
                    Check("silence_days", "ge", 7),
                    Check("silence_days", "ge", 2, "silence_usual_days"),
                ),
            ),
        ),
        hold=(
            (Check("silence_days", "ge", 3), Check("silence_days", "ge", 1, "silence_usual_days")),
        ),
        rationale="A business never silent for more than two weeks that now is for twice its "
        "longest pause has closed, moved its sales elsewhere or lost its feed. A week covers the "
        "public holidays of most markets.",
    ),
    Rule(
        kind="sales_collapse",
        family="sales_collapse_or_silence",
        feeds=("merchant.transactions", "merchant.signals"),
        evidence=(
            Check("tenure_days", "ge", 84),
            Check(_USUAL, "ge", 1),
            Check("silence_usual_days", "le", 10),
            Check("turnover_volatility_ratio", "le", 1.0),
        ),
        levels=(
            Level(
                "critical",
                (Check(_SALES_28D, "le", 0.2, _USUAL), Check(_SALES_7D, "le", 0.05, _USUAL)),
            ),
            Level(
                "warning",
                (Check(_SALES_28D, "le", 0.5, _USUAL), Check(_SALES_7D, "le", 0.125, _USUAL)),
            ),
            # A daily and steady seller shows it within a week, long before the month does.
            Level(
                "warning",
                (Check(_SALES_7D, "le", 0.05, _USUAL),),
                given=(
                    Check("turnover_volatility_ratio", "le", 0.5),
                    Check("silence_usual_days", "le", 4),
                ),
            ),
        ),
        hold=((Check(_SALES_28D, "le", 0.7, _USUAL), Check(_SALES_7D, "le", 0.175, _USUAL)),),
        rationale="Sales at half the usual, in the month and still in its last week, precede "
        "missed repayments. Volatile sellers are left out: a low is their habit.",
        yields_to=("sales_silence",),
    ),
    Rule(
        kind="refunds_and_disputes",
        family="refunds_and_disputes",
        feeds=("merchant.transactions",),
        evidence=(Check("sales_count_28d", "ge", 30),),
        levels=(
            Level(
                "critical",
                (
                    Check("refund_share_28d", "ge", 0.30),
                    Check("refund_share_28d", "ge", 4, "refund_share_usual"),
                ),
            ),
            Level(
                "critical",
                (
                    Check("dispute_share_28d", "ge", 0.03),
                    Check("dispute_share_28d", "ge", 4, "dispute_share_usual"),
                ),
            ),
            Level(
                "warning",
                (
                    Check("refund_share_28d", "ge", 0.10),
                    Check("refund_share_28d", "ge", 2.5, "refund_share_usual"),
                ),
            ),
            Level(
                "warning",
                (
                    Check("dispute_share_28d", "ge", 0.009),
                    Check("dispute_share_28d", "ge", 2.5, "dispute_share_usual"),
                ),
            ),
        ),
        hold=(
            (
                Check("refund_share_28d", "ge", 0.07),
                Check("refund_share_28d", "ge", 1.5, "refund_share_usual"),
            ),
            (
                Check("dispute_share_28d", "ge", 0.006),
                Check("dispute_share_28d", "ge", 1.5, "dispute_share_usual"),
            ),
        ),
        rationale="Refunds and disputes eat the cash that repays. 0.9 % of sales is where card "
        "schemes have long started to monitor a merchant's disputes.",
    ),
    Rule(
        kind="overdue_shipments",
        family="fulfilment_or_voids",
        feeds=("merchant.logistics",),
        evidence=(Check("tenure_days", "ge", 14),),
        levels=(
            Level(
                "critical",
                (
                    Check("overdue_shipments", "ge", 20),
                    Check("overdue_shipment_share", "ge", 0.6),
                ),
            ),
            Level(
                "warning",
                (
                    Check("overdue_shipments", "ge", 5),
                    Check("overdue_shipment_share", "ge", 0.25),
                ),
            ),
        ),
        hold=((Check("overdue_shipments", "ge", 3), Check("overdue_shipment_share", "ge", 0.15)),),
        rationale="Paid orders that do not arrive become refunds and disputes within weeks; with "
        "sales going on they are the mark of fabricated sales or of a bust-out.",
    ),
    Rule(
        kind="voided_invoices",
        family="fulfilment_or_voids",
        feeds=("merchant.signals",),
        evidence=(Check("sales_count_28d", "ge", 10), Check("tenure_days", "ge", 56)),
        levels=(
            Level(
                "critical",
                (
                    Check("void_share_28d", "ge", 0.40),
                    Check("void_share_28d", "ge", 4, "void_share_usual"),
                ),
            ),
            Level(
                "warning",
                (
                    Check("void_share_28d", "ge", 0.15),
                    Check("void_share_28d", "ge", 2.5, "void_share_usual"),
                ),
            ),
        ),
        hold=(
            (
                Check("void_share_28d", "ge", 0.10),
                Check("void_share_28d", "ge", 1.5, "void_share_usual"),
            ),
        ),
        rationale="Invoices issued and taken back inflate declared sales and were never cash.",
    ),
    Rule(
        kind="repayment_overdue",
        family="repayment_overdue",
        feeds=("lending.events",),
        evidence=(),
        levels=(
            Level("critical", (Check("days_past_due", "ge", 15),)),
            Level("warning", (Check("days_past_due", "ge", 3),)),
        ),
        hold=((Check("days_past_due", "ge", 1),),),
        rationale="Three days cover bank holidays and transfer times; half a month of a short loan "
        "is beyond carelessness.",
    ),
)
"""All rules, in the order in which equal severities are reported."""

KINDS: tuple[str, ...] = tuple(rule.kind for rule in RULES)
"""Kinds of alert that the sentinels raise."""
