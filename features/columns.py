"""From lines to the columns and slots that the kernel reads."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh64_intdigest

from features import kinds
from features.kinds import COLUMNS, KIND_OF
from features.lines import LogLine
from schemas.events import GLOBAL_MERCHANT

_ABSENT = ("rating", "issued", "other_debt", "declared", "period_start", "period_end")
_EMPTY = np.zeros(1, COLUMNS)
_EMPTY["score"] = np.nan
for _name in _ABSENT:
    _EMPTY[_name] = -1


class _CurrencyCodes(dict[str | None, int]):
    """Currency as a number: its three letters, 0 for none."""

    def __missing__(self, currency: str | None) -> int:
        code = self[currency] = int.from_bytes((currency or "").encode(), "big")
        return code


class Columns:
    """Fills columns and gives merchants their slots: consecutive, by first appearance.

    ``index`` is the slot by merchant; whoever restores a state puts those restored into it.
    """

    def __init__(self) -> None:
        self.index: dict[str, int] = {}
        self._currencies = _CurrencyCodes()

    def fill(self, lines: list[LogLine]) -> tuple[NDArray[Any], list[str]]:
        """Columns of the lines, and the merchants among them that had no slot, in slot order."""
        cols = np.repeat(_EMPTY, len(lines))
        cols["kind"] = kind = np.array([KIND_OF.get(e.type, 0) for e in lines], np.int32)
        slots, added = self._slots(lines)
        cols["slot"] = slots
        cols["ts"] = [e.occurred_at for e in lines]
        cols["amount"] = [e.amount or 0 for e in lines]
        codes = self._currencies
        cols["currency"] = [codes[e.currency] for e in lines]
        cols["ordered"] = [_or_absent(e.ordered_at) for e in lines]
        cols["promised"] = [_or_absent(e.promised_at) for e in lines]
        cols["hash"] = _signed([f"{e.merchant_id}\0{e.event_id}" for e in lines])
        named = [e.counterparty_id for e in lines]
        cols["counterparty"] = np.where([n is not None for n in named], _signed(named), 0)
        for i in np.flatnonzero(_RARE[kind]).tolist():
            _fill_rare(cols[i], lines[i])
        return cols, added

    def _slots(self, lines: list[LogLine]) -> tuple[NDArray[np.int32], list[str]]:
        index = self.index
        slots = np.array([index.get(e.merchant_id, -2) for e in lines], np.int32)
        added: list[str] = []
        for i in np.flatnonzero(slots == -2).tolist():
            merchant = lines[i].merchant_id
            if merchant == GLOBAL_MERCHANT:
                slots[i] = -1
                continue
            slot = index.get(merchant)
            if slot is None:
                slot = index[merchant] = len(index)
                added.append(merchant)
            slots[i] = slot
        return slots, added


_RARE = np.zeros(max(KIND_OF.values()) + 1, np.bool_)
_RARE[
    [
        kinds.REVIEW,
        kinds.CREDITED,
        kinds.DEBITED,
        kinds.INVOICE_VOIDED,
        kinds.TAX,
        kinds.COURT_CASE,
        kinds.BUREAU,
    ]
] = True


def _or_absent(value: int | None) -> int:
    return -1 if value is None else value


def _signed(texts: list[str] | list[str | None]) -> NDArray[np.int64]:
    hashes = [xxh64_intdigest((text or "").encode()) for text in texts]
    return np.array(hashes, np.uint64).view(np.int64)


def _fill_rare(col: Any, line: LogLine) -> None:
    """What only few types carry."""
    if line.rating is not None:
        col["rating"] = round(line.rating * 100)
    if line.balance_minor is not None:
        col["balance"] = line.balance_minor
        col["flags"] |= kinds.GIVES_BALANCE
    col["issued"] = _or_absent(line.issued_at)
    if col["kind"] == kinds.INVOICE_VOIDED and line.side == "received":
        col["kind"] = kinds.PURCHASE_VOIDED
    if col["kind"] == kinds.COURT_CASE and line.role not in (None, "defendant"):
        col["role"] = kinds.ROLE_OTHER
    if line.score is not None:
        col["score"] = line.score
    col["other_debt"] = _or_absent(line.other_debt_minor)
    col["declared"] = _or_absent(line.declared_turnover_minor)
    col["period_start"] = _or_absent(line.period_start_at)
    col["period_end"] = _or_absent(line.period_end_at)
