"""What the exactly-once runtime hosts: a processor with its assignment and checkpoints."""

from typing import NamedTuple, Protocol, runtime_checkable

from streams.records import Output, Record

Source = tuple[str, int]
"""Logical topic and partition."""


class Committed(NamedTuple):
    """Position of a source as of its last commit; ``offset`` is None before the first one."""

    offset: int | None
    metadata: str


class Host(Protocol):
    """One role of a worker. All calls come from one thread."""

    role: str
    inputs: tuple[str, ...]
    records_max: int
    """Records taken per poll: what a rebalance or a commit may have to wait for."""
    instance: str | None
    """Static group membership: at most one process of that name is in the group (learner)."""

    aligned: bool
    """Whether its topics are put into one order (see ``streams.alignment``)."""

    def assign(self, committed: dict[Source, Committed]) -> None:
        """Take over sources; state is as of their committed positions when this returns."""
        ...

    def revoke(self, sources: list[Source]) -> None:
        """Give up sources, after their last commit."""
        ...

    def take(self, record: Record, now_ms: int) -> list[Output]:
        """Process one record whole. May raise ``InputStopped``: the record is not taken."""
        ...

    def tick(self, now_ms: int) -> list[Output]:
        """Called about every tick interval, with or without input."""
        ...

    def drain(self) -> list[Output]:
        """What must go into the transaction that is about to be committed."""
        ...

    def metadata(self, source: Source) -> str:
        """Text to keep with a committed position (at most 4 KiB)."""
        ...


@runtime_checkable
class RunHost(Host, Protocol):
    """A role that does so little for a record that a call for each would cost more."""

    def take_run(self, records: list[Record], now_ms: int) -> None:
        """Take records of one source in their order; the outputs wait for ``drain``.

        May raise ``InputStopped``: the record that it names and those behind it are not taken.
        """
        ...
