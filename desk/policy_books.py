"""What the desk knows of policies and rule files, and drafts of them that wait for a second person.

Reading and checking them is risk logic, which the desk has not: a ``PolicyBook`` is given to it.
"""

import threading
from collections.abc import Mapping
from typing import Literal, NamedTuple, Protocol

from ops.errors import TidelineError

Artifact = Literal["policy", "rules"]
DRAFTS_MAX = 20


class Document(NamedTuple):
    """A version that may be in force: its YAML text, and the digest by which the log names it."""

    artifact: Artifact
    version: str
    digest: str
    text: str
    shipped: bool


class Fault(NamedTuple):
    """What is wrong with a text, at a line from 1, and the remedy."""

    line: int
    detail: str


class Checked(NamedTuple):
    """A text as its publication would find it; with faults it has no version.

    ``text`` is what would be published: a policy with the products that it names.
    """

    artifact: Artifact
    version: str
    digest: str
    text: str
    faults: tuple[Fault, ...]


class BreakerBounds(NamedTuple):
    """When a partition's breaker trips: cuts and freezes by rule within ``window_ms``."""

    window_ms: int
    lines_min: int
    lines_share: float
    exposure_share: float
    reset_ms: int


class Guardrails(NamedTuple):
    """What a policy bounds as a whole.

    ``budgets_minor`` has the daily budgets and ``headroom_minor`` the exposure caps of funders, by
    budget (such as ``portfolio.cuts.CNY``). A proposal ends after ``timeout_days``.
    """

    budgets_minor: Mapping[str, int]
    headroom_minor: Mapping[str, int]
    breaker: BreakerBounds | None
    holdout_share: float
    timeout_days: int


class Move(NamedTuple):
    """A change of a line; ``others_minor`` is what the merchant's other lines grant."""

    product: str
    currency: str
    action: str
    previous_limit_minor: int
    new_limit_minor: int
    others_minor: int


class BookUnavailable(TidelineError):
    """Published texts cannot be read just now."""


class PolicyBook(Protocol):
    """Reads and checks policies and rule files. Safe to share between threads."""

    def documents(self) -> list[Document]:
        """All versions that are known, shipped ones first. Raises ``BookUnavailable``."""
        ...

    def check(self, text: str) -> Checked:
        """What a publication of the text would say. Raises ``BookUnavailable``."""
        ...

    def guardrails(self, version: str) -> Guardrails | None:
        """Those of a policy, None for one that is not known. Raises ``BookUnavailable``."""
        ...

    def approvers(self, version: str, move: Move) -> int | None:
        """How many persons must agree under a policy, None where that is not known."""
        ...


class WithoutBook:
    """A desk that was given no book: it shows what is stored, and publishes nothing."""

    def documents(self) -> list[Document]:
        """None."""
        return []

    def check(self, text: str) -> Checked:
        """Raises ``BookUnavailable``."""
        raise BookUnavailable("this desk cannot check policies; start it by `tideline desk`")

    def guardrails(self, version: str) -> Guardrails | None:
        """None."""
        return None

    def approvers(self, version: str, move: Move) -> int | None:
        """None."""
        return None


class Draft(NamedTuple):
    """A checked text that somebody proposes to publish. ``at_ms`` is the desk's clock."""

    checked: Checked
    proposed_by: str
    reason: str
    at_ms: int


class Drafts:
    """Drafts by digest, in memory: they are gone when the desk ends. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drafts: dict[str, Draft] = {}

    def add(self, draft: Draft) -> bool:
        """Keep a draft; False where its text waits already, or as many as may wait do."""
        with self._lock:
            if draft.checked.digest in self._drafts or len(self._drafts) >= DRAFTS_MAX:
                return False
            self._drafts[draft.checked.digest] = draft
            return True

    def of(self, digest: str) -> Draft | None:
        """The draft with this digest."""
        with self._lock:
            return self._drafts.get(digest)

    def take(self, digest: str) -> Draft | None:
        """The draft with this digest, which is no draft any more: only one caller gets it."""
        with self._lock:
            return self._drafts.pop(digest, None)

    def all(self) -> list[Draft]:
        """Drafts in the order in which they came."""
        with self._lock:
            return list(self._drafts.values())
