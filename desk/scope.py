"""Which merchants a viewer sees, as a condition that every query carries."""

from typing import NamedTuple

from desk.identity import Viewer

_SEPARATOR = "\n"
_PARAM = "scope_funders"


class Scope(NamedTuple):
    """A bound on merchants: those with a line that one of ``funders`` funds; None is no bound."""

    funders: tuple[str, ...] | None = None

    @property
    def params(self) -> dict[str, str]:
        """What ``where`` binds. Lists cannot be bound, so the names come in one text."""
        return {} if self.funders is None else {_PARAM: _SEPARATOR.join(self.funders)}

    @property
    def funder_is_ours(self) -> str:
        """An SQL condition on a column ``funder``."""
        if self.funders is None:
            return "1"
        return f"has(splitByString('\\n', {{{_PARAM}:String}}), funder)"

    def where(self, column: str = "merchant_id") -> str:
        """An SQL condition on a column of merchant ids; constant text, values are bound."""
        if self.funders is None:
            return "1"
        return (
            f"{column} IN (SELECT merchant_id FROM merchant_funders"  # noqa: S608 - constants
            f" WHERE {self.funder_is_ours})"
        )


EVERYTHING = Scope()


def scope_of(viewer: Viewer) -> Scope:
    """The bound of a viewer."""
    return Scope(viewer.funders)
