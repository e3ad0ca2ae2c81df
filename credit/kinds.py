"""What a limit may rest on: the kinds of capacity of products, each with its parameters.

The formulae are in ``credit.capacity``, one module a kind.
"""

from typing import Annotated, Literal

from msgspec import Meta

from credit.fields import Days, Months, Name, PositiveDays, PositiveShare, Share, Strict

Month = Annotated[str, Meta(pattern=r"^(0[1-9]|1[0-2])$")]
Weight = Annotated[float, Meta(ge=0, le=12)]


class Turnover(Strict, kw_only=True, frozen=True, tag_field="kind", tag="turnover"):
    """``months`` of what the merchant sells."""

    months: Months


class TaxAndInvoice(Strict, kw_only=True, frozen=True, tag_field="kind", tag="tax_and_invoice"):
    """``months`` of what is invoiced, scaled down by the share of it that was declared for tax.

    Without a tax return of the last ``tax_gap_days_max`` days nothing is raised.
    """

    months: Months
    tax_gap_days_max: PositiveDays


class Advance(Strict, kw_only=True, frozen=True):
    """The share of a claim that is advanced while it is younger than ``below_days``."""

    below_days: PositiveDays
    rate: Share


class Debtor(Strict, kw_only=True, frozen=True):
    """A core enterprise. ``rate_factor`` scales its advance rates, ``share_max`` is its own bound.

    ``id`` is its ``counterparty_id`` as it stands in the log: a pseudonym where intake makes one.
    """

    id: Name
    rate_factor: Share = 1.0
    share_max: PositiveShare = 1.0


class Receivables(Strict, kw_only=True, frozen=True, tag_field="kind", tag="receivables"):
    """Claims on debtors for goods delivered or invoiced and not yet settled, by age.

    ``advances`` by rising age; older claims count nothing. What a debtor owes beyond
    ``debtor_share_max`` of all that counts is left out; core enterprises may have a bound of their
    own. Where ``core_only``, claims on others count nothing. ``documents`` says which view counts.
    """

    advances: Annotated[tuple[Advance, ...], Meta(min_length=1, max_length=12)]
    debtor_share_max: PositiveShare
    core_enterprises: Annotated[tuple[Debtor, ...], Meta(max_length=1000)] = ()
    core_only: bool = False
    documents: Literal["delivered", "invoiced", "larger"] = "larger"


class Marketplace(Strict, kw_only=True, frozen=True, tag_field="kind", tag="marketplace"):
    """``months`` of sales less what is refunded and disputed, and an advance on open settlements.

    ``unsettled_rate`` is the share advanced on parcels delivered at most 14 days ago and not yet
    settled by the platform.
    """

    months: Months
    unsettled_rate: Share


class Acceptor(Strict, kw_only=True, frozen=True):
    """The advance rate on bills of one acceptor, by its ``counterparty_id`` as in the log."""

    id: Name
    rate: Share


class Bills(Strict, kw_only=True, frozen=True, tag_field="kind", tag="bills"):
    """Accepted bills that are open, by acceptor and maturity.

    ``acceptors`` have rates of their own, others ``other_rate``. Bills that mature in more than
    ``maturity_days_max`` days, or that are past due, count nothing. What an acceptor owes beyond
    ``acceptor_share_max`` of all that counts is left out; one that dishonoured a bill within
    ``dishonour_days`` counts nothing.
    """

    other_rate: Share
    maturity_days_max: PositiveDays
    acceptor_share_max: PositiveShare
    dishonour_days: Days
    acceptors: Annotated[tuple[Acceptor, ...], Meta(max_length=1000)] = ()


class Instalments(Strict, kw_only=True, frozen=True, tag_field="kind", tag="instalments"):
    """What the cash that comes in can pay off over ``months`` at ``inflow_share`` of it.

    The machine is the collateral: with fewer than ``sensor_days_min`` days of readings in 28, or
    none for more than ``sensor_silence_days_max`` days, nothing is raised, and for cuts the
    capacity falls to ``idle_share`` of itself.
    """

    months: Annotated[float, Meta(gt=0, le=120)]
    inflow_share: PositiveShare
    sensor_days_min: Annotated[int, Meta(ge=0, le=28)]
    sensor_silence_days_max: PositiveDays
    idle_share: Share


class Season(Strict, kw_only=True, frozen=True, tag_field="kind", tag="season"):
    """``months`` of a middling month's sales, times the season that lies ahead.

    ``calendar`` gives each month ("01" to "12", UTC) its weight. Sales of 92 days divided by the
    weight of those days are a month without season; times the weight of the ``ahead_days`` to come.
    """

    months: Months
    calendar: dict[Month, Weight]
    ahead_days: Annotated[int, Meta(ge=1, le=366)]


class Platform(Strict, kw_only=True, frozen=True, tag_field="kind", tag="platform"):
    """``months`` of sales that the platform has settled: what it can withhold repayments from."""

    months: Months


Capacity = (
    Turnover | TaxAndInvoice | Receivables | Marketplace | Bills | Instalments | Season | Platform
)
"""What a limit of a product rests on, told by ``kind``."""
