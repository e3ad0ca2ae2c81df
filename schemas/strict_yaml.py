"""Small YAML documents checked whole before use: policies and rule files.

Whatever is unknown, missing or mistyped is refused with its line and what to do, so that a bad
document never replaces a good one.
"""

import re
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec
import yaml
from msgspec import Struct

Path = tuple[str, ...]
"""Keys from the root of a document; the items of a list by their number from 0, as text."""

_ANY_KEY = "..."
_AT = re.compile(r" - at (`key` in )?`\$([^`]*)`$")
_STEP = re.compile(r"\[(\.\.\.|\d+)\]|\.?([^.\[\]]+)")
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")


class DocumentError(ValueError):
    """A document that is refused; the message names line, key and remedy. Lines count from 1."""

    def __init__(self, line: int, detail: str) -> None:
        super().__init__(f"line {line}: {detail}")
        self.line = line
        self.detail = detail


T = TypeVar("T")
E = TypeVar("E", bound=DocumentError)


class Form(Struct, Generic[T, E], kw_only=True, frozen=True):
    """One kind of document: what it is called, the struct it decodes to, its error and its bounds.

    ``depth_max`` counts nested keys and list items.
    """

    noun: str
    struct: type[T]
    error: type[E]
    bytes_max: int
    depth_max: int

    def load(self, text: str, first_line: int = 1) -> tuple[T, Mapping[Path, int]]:
        """The document and the line of every key. Raises ``error``.

        ``first_line`` is the line at which the text begins in a larger one.
        """
        if len(text.encode("utf-8", "surrogatepass")) > self.bytes_max:
            raise self.error(
                first_line, f"the {self.noun} exceeds {self.bytes_max} bytes; shorten it"
            )
        lines: dict[Path, int] = {}
        data = self._parse("\n" * (first_line - 1) + text, lines)
        try:
            return msgspec.convert(data, self.struct), lines
        except msgspec.ValidationError as error:
            raise self._explain(error, data, lines) from None

    def refusal(self, lines: Mapping[Path, int], path: Path, detail: str) -> E:
        """The error that says ``detail`` of the key at ``path``."""
        return self.error(lines.get(path, 1), f"`{dotted(path)}` {detail}")

    def _parse(self, text: str, lines: dict[Path, int]) -> Any:
        try:
            # Aliases make a small text a huge document, and none is needed.
            for event in yaml.parse(text, Loader=yaml.SafeLoader):
                if isinstance(event, yaml.AliasEvent):
                    line = event.start_mark.line + 1 if event.start_mark else 1
                    raise self.error(line, "an alias (*); write the value out")
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise self.error(mark.line + 1 if mark else 1, f"not YAML: {error.problem}") from None
        except (yaml.YAMLError, RecursionError) as error:
            raise self.error(1, f"not YAML: {str(error).splitlines()[0]}") from None
        if root is None:
            raise self.error(1, f"the {self.noun} is empty; start from a shipped one")
        return self._value(root, (), lines)

    def _value(self, node: yaml.Node, path: Path, lines: dict[Path, int]) -> Any:
        """The plain value of a node; notes the line of every key."""
        line = node.start_mark.line + 1
        lines.setdefault(path, line)
        if len(path) > self.depth_max:
            raise self.error(line, f"nested deeper than {self.depth_max} levels; flatten it")
        if isinstance(node, yaml.MappingNode):
            found: dict[str, Any] = {}
            for key_node, value_node in node.value:
                at = key_node.start_mark.line + 1
                if not isinstance(key_node, yaml.ScalarNode):
                    raise self.error(at, "a key is not a name; write `name: value`")
                key = key_node.value
                if key in found:
                    raise self.error(at, f"`{key}` stands twice; keep one")
                lines[(*path, key)] = at
                found[key] = self._value(value_node, (*path, key), lines)
            return found
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, str(i)), lines) for i, item in enumerate(node.value)]
        try:
            return yaml.SafeLoader("").construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            raise self.error(line, f"`{dotted(path)}` cannot be read: {error}") from None

    def _explain(self, error: msgspec.ValidationError, data: Any, lines: Mapping[Path, int]) -> E:
        """A message of msgspec with its line and the names of this document."""
        text = str(error)
        at = _AT.search(text)
        said = text[: at.start()] if at else text
        steps = [index or name for index, name in _STEP.findall(at[2])] if at else []
        if at and at[1]:
            steps.append(_ANY_KEY)
        path = self._resolve(steps, data, text)
        unknown = _UNKNOWN.match(said)
        if unknown:
            return self.refusal(
                lines, (*path, unknown[1]), f"is not a key of a {self.noun}; remove it"
            )
        name = dotted(path) or f"the {self.noun}"
        return self.error(lines.get(path, 1), f"`{name}`: {said}; correct it")

    def _resolve(self, steps: list[str], data: Any, text: str) -> Path:
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
                    if self._message(data) == text:
                        break
                node.clear()
                node.update(whole)
            path.append(step)
            node = node[int(step)] if isinstance(node, list) else node.get(step)
        return tuple(path)

    def _message(self, data: Any) -> str | None:
        try:
            msgspec.convert(data, self.struct)
        except msgspec.ValidationError as error:
            return str(error)
        return None


def top_level_keys(text: str) -> frozenset[str]:
    """Keys at the left edge of a document, by which its kind is told; none where it has no map."""
    return frozenset(re.findall(r"^([a-z_]+):", text, re.MULTILINE))


def dotted(path: Path) -> str:
    """A path as it is written in messages."""
    return ".".join(path)
