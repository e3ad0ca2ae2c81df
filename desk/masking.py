"""Which fields of an event anybody at the desk may see; every other value is masked. Pure.

An event may carry what its sender adds: names, telephone numbers, addresses, identity numbers, bank
accounts. No list of such names is ever complete, so the rule is the other way round: shown is what
stands in a list below and has the form that belongs there, and all else is masked.
"""

import re
from collections.abc import Mapping
from typing import Any

from schemas.events import BY_TAG, Command

MASK = "•••"
"""What stands in the place of a value that is not shown."""

_IDS = """
    type event_id merchant_id order_id shipment_id carrier_id invoice_id bill_id loan_id line_id
    decision_id alert_id budget_id currency version digest artifact
"""
IDS = frozenset(_IDS.split())
"""Texts that name a thing, not a person. Cases of a court lead to names, so they are not here."""
_NUMBERS = """
    occurred_at ordered_at promised_at due_at issued_at opened_at until_at expires_at
    period_start_at period_end_at day amount amount_minor balance_minor tax_minor
    declared_turnover_minor other_debt_minor rating score reading reversal consent granted
    partition members struck expected
"""
NUMBERS = frozenset(_NUMBERS.split())
"""Times, amounts, measures and yes or no."""
_CODES = "channel side role status field unit segment region product scope outcome reason"
CODES = frozenset(_CODES.split())
"""Short texts that should be codes; one that reads like a person's data is masked."""
OF_COMMANDS = frozenset({"actor", "assignee", "reason", "evidence"})
"""Fields that people and monitors at the desk wrote themselves, in a command."""

_CODE = re.compile(r"(?!.*\d{6})[\w .:/+-]{1,64}", re.DOTALL)
"""No run of six digits, as in telephone and identity numbers, and no ``@``."""
_ID_CHARACTERS_MAX = 200


def mask(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of an event with every value masked that is not known to be harmless.

    Keys stay, so that it can be seen that there is more. What is null stays null.
    """
    command = _is_command(body.get("type"))
    return {
        key: value if value is None or _is_shown(key, value, command) else MASK
        for key, value in body.items()
    }


def _is_shown(key: str, value: Any, command: bool) -> bool:
    if key in NUMBERS:
        return isinstance(value, bool | int | float)
    if not isinstance(value, str):
        # The version of a limit change is a number, and so may be others; a list is never one.
        return key in IDS and isinstance(value, int)
    if command and key in OF_COMMANDS:
        return True
    if key in IDS:
        return len(value) <= _ID_CHARACTERS_MAX
    return key in CODES and _CODE.fullmatch(value) is not None


def _is_command(kind: Any) -> bool:
    struct = BY_TAG.get(kind) if isinstance(kind, str) else None
    return struct is not None and issubclass(struct, Command)
