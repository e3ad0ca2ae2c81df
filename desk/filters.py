"""Which alerts the queue shows: filters from the address, and as SQL conditions. Pure."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from desk.capacity import WORKABLE
from desk.forms import InvalidForm

STATES = ("work", "open", "assigned", "acknowledged", "snoozed", "closed")
"""``work`` is everything to be worked now: not closed, and not snoozed beyond now."""
SEVERITIES = ("critical", "warning", "info")
CLOCKS = ("overdue", "soon")
SOON_MS = 4 * 3_600_000
"""A deadline within so much time is due soon."""
ME = "me"
NOBODY = "nobody"
LENGTH_MAX = 200

_DEADLINE = "if(acknowledged_at IS NULL, acknowledge_by, close_by)"
CLOCK = (
    f"multiIf(state = 'closed' OR isNull({_DEADLINE}), 'later',"
    f" toUnixTimestamp64Milli(assumeNotNull({_DEADLINE})) < {{now_ms:Int64}}, 'overdue',"
    f" toUnixTimestamp64Milli(assumeNotNull({_DEADLINE})) < {{now_ms:Int64}} + {SOON_MS}, 'soon',"
    " 'later')"
)
"""The clock of a row of ``alerts_current`` at ``now_ms``: ``overdue``, ``soon`` or ``later``."""


class Filters(NamedTuple):
    """What was chosen; empty is no bound. ``assignee`` may be ``me`` or ``nobody``."""

    state: str = "work"
    severity: str = ""
    clock: str = ""
    kind: str = ""
    segment: str = ""
    currency: str = ""
    product: str = ""
    assignee: str = ""
    merchant: str = ""

    def query(self, **changes: str) -> str:
        """The filters, with changes, as the query of an address; defaults are left out."""
        chosen = self._replace(**changes)._asdict()
        defaults = Filters()._asdict()
        return urlencode({name: text for name, text in chosen.items() if text != defaults[name]})

    @property
    def ranked(self) -> bool:
        """Whether the alerts are to be worked now, and so are ranked and cut."""
        return self.state not in ("snoozed", "closed")


_CHOICES = {"state": STATES, "severity": ("", *SEVERITIES), "clock": ("", *CLOCKS)}


def chosen(query: Mapping[str, str]) -> Filters:
    """Filters of an address. Raises ``InvalidForm`` for a value that is none of the choices."""
    found = {}
    for name in Filters._fields:
        text = query.get(name, "").strip()
        if len(text) > LENGTH_MAX:
            raise InvalidForm(f"`{name}` is longer than {LENGTH_MAX} characters")
        if name in _CHOICES and text and text not in _CHOICES[name]:
            choices = ", ".join(filter(None, _CHOICES[name]))
            raise InvalidForm(f"`{name}` is {text[:40]!r}, not one of {choices}")
        if text:
            found[name] = text
    return Filters(**found)


def conditions(filters: Filters, viewer: str) -> tuple[str, dict[str, str]]:
    """SQL condition on rows of ``alerts_current`` and what it binds, without severity and clock.

    Those two are counted for every choice, so that the tiles say what each would show. ``now_ms``
    is for the caller to bind.
    """
    parts, params = [_state(filters.state)], {}
    for name in ("kind", "segment", "currency"):
        if text := getattr(filters, name):
            parts.append(f"{name} = {{f_{name}:String}}")
            params[f"f_{name}"] = text
    if filters.product:
        parts.append(
            "merchant_id IN (SELECT merchant_id FROM lines_current"
            " WHERE product = {f_product:String})"
        )
        params["f_product"] = filters.product
    if filters.merchant:
        parts.append("positionCaseInsensitiveUTF8(merchant_id, {f_merchant:String}) > 0")
        params["f_merchant"] = filters.merchant
    if filters.assignee == NOBODY:
        parts.append("ifNull(assignee, '') = ''")
    elif filters.assignee:
        parts.append("ifNull(assignee, '') = {f_assignee:String}")
        params["f_assignee"] = viewer if filters.assignee == ME else filters.assignee
    return " AND ".join(f"({part})" for part in parts), params


def narrowed(filters: Filters) -> tuple[str, dict[str, str]]:
    """The same for severity and clock."""
    parts, params = ["1"], {}
    if filters.severity:
        parts.append("severity = {f_severity:String}")
        params["f_severity"] = filters.severity
    if filters.clock:
        parts.append(f"{CLOCK} = {{f_clock:String}}")
        params["f_clock"] = filters.clock
    return " AND ".join(parts), params


def _state(state: str) -> str:
    if state == "work":
        return "state != 'closed'"
    if state == "snoozed":
        return f"state = 'snoozed' AND NOT ({WORKABLE})"
    return f"state = '{state}'"  # one of STATES
