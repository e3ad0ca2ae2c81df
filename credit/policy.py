"""Credit policies: versioned YAML, checked whole before use.

A policy is one small document. Whatever is unknown, missing, mistyped or contradictory is refused
with its line and what to do, so that a bad policy never replaces a good one.
"""

import re
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta, Struct

from detectors.sentinels import KINDS
from schemas.currencies import CURRENCIES

TEXT_BYTES_MAX = 1 << 16
DEPTH_MAX = 6
LendingBand = Literal["A", "B", "C", "D", "E"]
BAND_ORDER: tuple[LendingBand, ...] = ("A", "B", "C", "D", "E")
"""Best first."""

Minor = Annotated[int, Meta(ge=0, le=10**15)]
Days = Annotated[int, Meta(ge=0, le=3660)]
Milliseconds = Annotated[int, Meta(ge=0, le=3660 * 86_400_000)]
Share = Annotated[float, Meta(ge=0, le=1)]
Identifier = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class PolicyError(ValueError):
    """A policy that is refused; the message names line, key and remedy. ``line`` counts from 1."""

    def __init__(self, line: int, detail: str) -> None:
        super().__init__(f"line {line}: {detail}")
        self.line = line
        self.detail = detail


class Amounts(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Bounds of a line in one currency, in minor units. Limits are multiples of the rounding."""

    floor_minor: Annotated[int, Meta(ge=1, le=10**15)]
    cap_minor: Annotated[int, Meta(ge=1, le=10**15)]
    rounding_minor: Annotated[int, Meta(ge=1, le=10**12)]


class Opening(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """When a line opens: by itself (``pre_approved``) or earlier on application.

    ``start_ratio`` is the share of capacity × risk that a new line starts with.
    """

    pre_approved: bool
    pre_approved_tenure_days: Days
    pre_approved_active_days: Annotated[int, Meta(ge=0, le=28)]
    application_tenure_days: Days
    application_active_days: Annotated[int, Meta(ge=0, le=28)]
    worst_band: LendingBand
    start_ratio: Annotated[float, Meta(gt=0, le=1)]


class Capacity(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What sales can carry: ``months`` of turnover."""

    months: Annotated[float, Meta(gt=0, le=24)]


class Steps(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How far and how often a line moves, as shares of its limit and milliseconds."""

    up_max_ratio: Annotated[float, Meta(gt=0, le=10)]
    down_max_ratio: Annotated[float, Meta(gt=0, le=1)]
    cool_down_up_ms: Milliseconds
    cool_down_down_ms: Milliseconds
    hysteresis_ratio: Annotated[float, Meta(ge=0, lt=1)]


class Freeze(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What stops all drawing at once: days past due, or a critical hit of one of the kinds."""

    days_past_due: Annotated[int, Meta(ge=1, le=3660)]
    critical_kinds: tuple[str, ...]


class Release(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """When an automatic freeze ends: its cause gone, ``after_ms`` since, and a band not worse."""

    after_ms: Milliseconds
    worst_band: LendingBand


class Policy(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A version of the rules by which the lines of one product move."""

    version: Identifier
    product: Identifier
    currencies: dict[str, Amounts]
    opening: Opening
    capacity: Capacity
    risk_multipliers: dict[LendingBand, Share]
    steps: Steps
    cuts_need_evidence: bool
    freeze: Freeze
    release: Release
    expiry_days: Annotated[int, Meta(ge=1, le=3660)]
    override_days: Annotated[int, Meta(ge=1, le=3660)]


Path = tuple[str, ...]
_ANY_KEY = "..."
_AT = re.compile(r" - at (`key` in )?`\$([^`]*)`$")
_STEP = re.compile(r"\[(\.\.\.|\d+)\]|\.?([^.\[\]]+)")
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")


def load_policy(text: str) -> Policy:
    """Read and check a policy. Raises ``PolicyError``."""
    if len(text.encode("utf-8", "surrogatepass")) > TEXT_BYTES_MAX:
        raise PolicyError(1, f"the policy exceeds {TEXT_BYTES_MAX} bytes; shorten it")
    lines: dict[Path, int] = {}
    data = _parse(text, lines)
    try:
        policy = msgspec.convert(data, Policy)
    except msgspec.ValidationError as error:
        raise _explain(error, data, lines) from None
    _check(policy, lines)
    return policy


def band_at_least(band: str, worst: LendingBand) -> bool:
    """Whether a band is one of A-E and not worse than ``worst``."""
    return band in BAND_ORDER[: BAND_ORDER.index(worst) + 1]


def _parse(text: str, lines: dict[Path, int]) -> Any:
    try:
        # Aliases make a small text a huge document; a policy needs none.
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise PolicyError(line, "an alias (*); write the value out")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise PolicyError(mark.line + 1 if mark else 1, f"not YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise PolicyError(1, f"not YAML: {str(error).splitlines()[0]}") from None
    if root is None:
        raise PolicyError(1, "the policy is empty; start from a shipped one")
    return _value(root, (), lines)


def _value(node: yaml.Node, path: Path, lines: dict[Path, int]) -> Any:
    """The plain value of a node; notes the line of every key."""
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    if len(path) > DEPTH_MAX:
        raise PolicyError(line, f"nested deeper than {DEPTH_MAX} levels; a policy is flat")
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            at = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise PolicyError(at, "a key is not a name; write `name: value`")
            key = key_node.value
            if key in found:
                raise PolicyError(at, f"`{key}` stands twice; keep one")
            lines[(*path, key)] = at
            found[key] = _value(value_node, (*path, key), lines)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, str(i)), lines) for i, item in enumerate(node.value)]
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        raise PolicyError(line, f"`{_dotted(path)}` cannot be read: {error}") from None


def _explain(error: msgspec.ValidationError, data: Any, lines: dict[Path, int]) -> PolicyError:
    """A message of msgspec with its line and the names of this document."""
    text = str(error)
    at = _AT.search(text)
    said = text[: at.start()] if at else text
    steps = [index or name for index, name in _STEP.findall(at[2])] if at else []
    if at and at[1]:
        steps.append(_ANY_KEY)
    path = _resolve(steps, data, text)
    unknown = _UNKNOWN.match(said)
    if unknown:
        path = (*path, unknown[1])
        return PolicyError(
            lines.get(path, 1), f"`{_dotted(path)}` is not a key of a policy; remove it"
        )
    name = _dotted(path) or "the policy"
    return PolicyError(lines.get(path, 1), f"`{name}`: {said}; correct it")


def _resolve(steps: list[str], data: Any, text: str) -> Path:
    """The path that msgspec means, which leaves the keys of maps out.

    The entry of a map that is at fault is the one that, alone, gives the same message.
    """
    path: list[str] = []
    node = data
    for step in steps:
        if step == _ANY_KEY:
            whole = dict(node)
            for step, value in whole.items():
                node.clear()
                node[step] = value
                if _message(data) == text:
                    break
            node.clear()
            node.update(whole)
        path.append(step)
        node = node[int(step)] if isinstance(node, list) else node.get(step)
    return tuple(path)


def _message(data: Any) -> str | None:
    try:
        msgspec.convert(data, Policy)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def _check(policy: Policy, lines: dict[Path, int]) -> None:
    """What types alone do not say."""

    def refuse(path: Path, detail: str) -> PolicyError:
        return PolicyError(lines.get(path, 1), f"`{_dotted(path)}` {detail}")

    if not policy.currencies:
        raise refuse(("currencies",), "is empty; name at least one currency")
    for code, amounts in policy.currencies.items():
        path = ("currencies", code)
        if code not in CURRENCIES:
            raise refuse(path, "is not an ISO 4217 code; use one such as CNY")
        if amounts.floor_minor > amounts.cap_minor:
            raise refuse((*path, "floor_minor"), "exceeds cap_minor; lower it")
        for field in ("floor_minor", "cap_minor"):
            if getattr(amounts, field) % amounts.rounding_minor:
                raise refuse((*path, field), "is no multiple of rounding_minor; round it")
    missing = [band for band in BAND_ORDER if band not in policy.risk_multipliers]
    if missing:
        raise refuse(("risk_multipliers",), f"lacks band {missing[0]}; give all of A to E")
    multipliers = [policy.risk_multipliers[band] for band in BAND_ORDER]
    if any(worse > better for better, worse in pairwise(multipliers)):
        raise refuse(("risk_multipliers",), "rise with risk; a worse band never gets more")
    for field in ("up_max_ratio", "down_max_ratio"):
        if getattr(policy.steps, field) <= policy.steps.hysteresis_ratio:
            raise refuse(
                ("steps", field), "is within hysteresis_ratio, so no line would move; raise it"
            )
    for i, kind in enumerate(policy.freeze.critical_kinds):
        if kind not in KINDS:
            raise refuse(
                ("freeze", "critical_kinds", str(i)),
                f"is {kind!r}, no kind of alert; use one of {', '.join(KINDS)}",
            )


def _dotted(path: Path) -> str:
    return ".".join(path)
