"""The products as a page for people, and the formats of policies and products as JSON Schema."""

from collections.abc import Iterable
from typing import Any

import msgspec

from credit.kinds import Bills, Instalments, Receivables, Season
from credit.policy import PolicyFile
from credit.product import Product
from schemas.currencies import minor_digits

_INTRODUCTION = """The terms of every product that ships with Tideline. Written by \
`tideline products --markdown` from the files under `credit/products/`. What the terms mean, how \
a limit comes about and what a policy adds: [credit.md](credit.md). \
`tideline products check FILE…` checks policies and products as a publication would.

Rates are a year. *Starts at* is the share of what capacity and risk support. Amounts are in major \
units of their currency."""


def markdown(products: Iterable[Product]) -> str:
    """Every product: an overview, then its terms."""
    listed = list(products)
    rows = [
        "| product | version | rests on | term | price, funding, operation | lost by a default |",
        "| --- | --- | --- | --- | --- | --- |",
        *(_overview(product) for product in listed),
    ]
    sections = (_section(product) for product in listed)
    return "\n\n".join(["# Products", _INTRODUCTION, "\n".join(rows), *sections]) + "\n"


def product_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of product files."""
    return _schema(Product, "urn:tideline:product", "Tideline credit product")


def policy_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of policy files, without the products that come behind them."""
    return _schema(PolicyFile, "urn:tideline:policy", "Tideline credit policy")


def kind_of(product: Product) -> str:
    """The kind of capacity, as files name it."""
    tag = type(product.capacity).__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def _schema(struct: type[msgspec.Struct], urn: str, title: str) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": urn,
        "title": title,
        **msgspec.json.schema(struct),
    }


def _overview(product: Product) -> str:
    price = product.pricing
    rates, loss = "", ""
    if price is not None:
        parts = (price.annual_rate, price.funding_rate, price.operating_rate)
        rates = ", ".join(f"{rate:.1%}" for rate in parts)
        loss = f"{price.loss_given_default:.0%}"
    name = f"[{product.title}](#{product.version})"
    cells = (name, product.version, kind_of(product), f"{product.term_days} days", rates, loss)
    return "| " + " | ".join(cells) + " |"


def _section(product: Product) -> str:
    opening, asked = product.opening, product.eligibility
    lines = [f"## {product.version}", "", f"**{product.title}** (`{product.name}`)", ""]
    lines += [f"- {part}" for part in _capacity(product)]
    if opening.pre_approved:
        lines.append(
            f"- opens by itself after {opening.pre_approved_tenure_days} days, "
            f"{opening.pre_approved_active_days} of the last 28 active"
        )
    lines.append(
        f"- opens on application after {opening.application_tenure_days} days, "
        f"{opening.application_active_days} of the last 28 active; band {opening.worst_band} or "
        f"better; starts at {opening.start_ratio:.0%}"
    )
    if opening.thin_file_start_minor:
        lines.append(f"- thin file: starts at {_money(opening.thin_file_start_minor)}")
    needs = [f"the feed {feed}" for feed in asked.feeds]
    needs += [f"segment {name}" for name in asked.segments]
    needs += [f"region {name}" for name in asked.regions]
    needs += ["a profile"] if asked.registered else []
    if needs:
        lines.append(f"- needs {', '.join(needs)}")
    for channel in product.channels:
        lines.append(f"- channel `{channel.name}`: at most {_money(channel.line_cap_minor)}")
    for funder in product.funders:
        bands = f", bands {', '.join(funder.bands)}" if funder.bands else ""
        cap = (
            f", at most {_money(funder.line_cap_minor)} of a line" if funder.line_cap_minor else ""
        )
        lines.append(f"- funder `{funder.name}`: share {funder.share:g}{bands}{cap}")
    if product.uplift is not None:
        proofs = " and ".join(f"`{e.feature}` ≥ {e.at_least:g}" for e in product.uplift.evidence)
        lines.append(f"- × {product.uplift.multiplier:g} with {proofs}")
    lines += ["", "| currency | least | most | rounded to |", "| --- | --- | --- | --- |"]
    for code, amounts in product.currencies.items():
        parts = (amounts.floor_minor, amounts.cap_minor, amounts.rounding_minor)
        shown = (_major(part, code) for part in parts)
        lines.append("| " + " | ".join((code, *shown)) + " |")
    return "\n".join(lines)


def _capacity(product: Product) -> list[str]:
    kind = product.capacity
    if isinstance(kind, Receivables):
        ages = ", ".join(f"{a.rate:.0%} below {a.below_days} days" for a in kind.advances)
        return [f"advances {ages}", f"a debtor counts up to {kind.debtor_share_max:.0%} of all"]
    if isinstance(kind, Bills):
        return [
            f"advances {kind.other_rate:.0%} of bills that mature within "
            f"{kind.maturity_days_max} days; own rates for {len(kind.acceptors)} acceptors",
            f"an acceptor counts up to {kind.acceptor_share_max:.0%} of all",
        ]
    shown = [f"{kind.months:g} months"]
    if isinstance(kind, Instalments):
        shown[0] += f" of {kind.inflow_share:.0%} of the cash that comes in"
        shown.append(
            f"the machine has readings on {kind.sensor_days_min} of 28 days, and a gap of at most "
            f"{kind.sensor_silence_days_max} days"
        )
    if isinstance(kind, Season):
        weights = ", ".join(f"{month} {weight:g}" for month, weight in kind.calendar.items())
        shown.append(f"weights by month {weights}; {kind.ahead_days} days ahead")
    return shown


def _money(amounts: dict[str, int]) -> str:
    return ", ".join(f"{_major(amount, code)} {code}" for code, amount in amounts.items())


def _major(amount: int, currency: str) -> str:
    return f"{amount / 10 ** minor_digits(currency):,.0f}"
