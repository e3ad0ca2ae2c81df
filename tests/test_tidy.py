"""What holds for every file of the repository."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_imports import MAY_IMPORT, PURE, ROOT, sources

LINES_MAX = 500
CATALOGUES = {"schemas/events.py": 600}
"""Files that only declare, one short struct after another, and their own bound."""
SPEAKS_TO_THE_USER = ("tideline/cli.py", "tideline/console.py", "tideline/commands/")
"""Where ``print`` is the job."""
PROCESSORS = (
    "intake",
    "scoring",
    "learner",
    "learner_report",
    "records",
    "ledger",
    "lending_core",
)
"""Modules of ``streams`` whose time comes with their input, so that a replay gives the same."""
CLOCKS = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}

_TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".json", ".sql", ".html", ".css", ".js", ".sh", ""}
_LEFT_OVER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X:|HA" r"CK)\b")
_MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+|mnt|private/var)/\w")
_LINK = re.compile(r"\[[^\]]*\]\(<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\)")
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_DOCS_FILE = re.compile(r"(?<![\w/.-])docs/[\w./-]+\.\w+")


def files() -> Iterator[Path]:
    """Text files of the repository, without what is built, hidden or fetched."""
    skipped = {"__pycache__", "node_modules", "dist", "build"}
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") and part != ".ci" for part in parts)
        if hidden or skipped & set(parts) or not path.is_file() or path.suffix not in _TEXT:
            continue
        if path.name != "requirements.lock":
            yield path


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


ALL = list(files())
CODE = [path for package in MAY_IMPORT for path in sources(package)]
MARKDOWN = [path for path in ALL if path.suffix == ".md"]


def clock_reads(tree: ast.AST) -> list[str]:
    """Calls that read a clock, however the module was named on import."""
    aliases: dict[str, str] = {}
    direct: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            aliases |= {a.asname or a.name: a.name for a in node.names if a.name in CLOCKS}
        elif isinstance(node, ast.ImportFrom) and node.module in CLOCKS:
            for alias in node.names:
                if alias.name in CLOCKS[node.module]:
                    direct[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                elif alias.name in CLOCKS:
                    aliases[alias.asname or alias.name] = alias.name
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in direct:
            found.append(f"line {node.lineno}: {direct[node.id]}")
        elif isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value).split(".")[-1]
            if node.attr in CLOCKS.get(aliases.get(owner, owner), ()):
                found.append(f"line {node.lineno}: {owner}.{node.attr}")
    return found


@pytest.mark.parametrize("path", CODE, ids=relative)
def test_only_the_command_line_prints(path: Path) -> None:
    if relative(path).startswith(SPEAKS_TO_THE_USER):
        return
    tree = ast.parse(path.read_text("utf-8"))
    prints = [
        f"line {node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert prints == [], "write a structured log line instead"


@pytest.mark.parametrize(
    "path",
    [
        *(path for package in PURE for path in sources(package)),
        *(ROOT / "streams" / f"{name}.py" for name in PROCESSORS),
    ],
    ids=relative,
)
def test_what_must_replay_reads_no_clock(path: Path) -> None:
    assert clock_reads(ast.parse(path.read_text("utf-8"))) == [], "take the time as an argument"


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.time()",
        "import time as t\nt.monotonic()",
        "from time import time_ns as ns\nns()",
        "from datetime import datetime\ndatetime.now()",
        "import datetime\ndatetime.datetime.utcnow()",
        "import datetime as dt\ndt.date.today()",
        "Record(clock=time.time)",
    ],
)
def test_a_read_of_the_clock_is_found(code: str) -> None:
    assert len(clock_reads(ast.parse(code))) == 1


@pytest.mark.parametrize("path", CODE, ids=relative)
def test_modules_are_short_enough_to_read(path: Path) -> None:
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= CATALOGUES.get(relative(path), LINES_MAX), "split it by what it is for"


@pytest.mark.parametrize("path", ALL, ids=relative)
def test_no_file_has_left_overs_or_paths_of_one_machine(path: Path) -> None:
    text = path.read_text("utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        assert not _LEFT_OVER.search(line), f"line {number}: finish it or file an issue"
        assert not _MACHINE_PATH.search(line), f"line {number}: a path of one machine: {line:.120}"


@pytest.mark.parametrize("path", MARKDOWN, ids=relative)
def test_links_to_local_files_lead_somewhere(path: Path) -> None:
    for target in _LINK.findall(_FENCE.sub("", path.read_text("utf-8"))):
        if re.match(r"[a-z][a-z0-9+.-]*:", target) or target.startswith("#"):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve()
        assert file.exists(), f"{target} does not exist"
        if anchor and file.suffix == ".md":
            assert anchor in _anchors(file), f"{target}: no such heading"


def _anchors(markdown: Path) -> set[str]:
    """Anchors of headings by the rule of GitHub: small letters, hyphens for spaces, no marks."""
    headings = re.findall(r"^#+ +(.+?)\s*$", markdown.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("path", ALL, ids=relative)
def test_every_file_under_docs_that_is_named_exists(path: Path) -> None:
    for name in set(_DOCS_FILE.findall(path.read_text("utf-8"))):
        if "NNNN" in name:
            continue  # the pattern of a name, not a name
        assert (ROOT / name).exists(), f"{name} does not exist"
