"""Imports point one way, and the pure packages touch nothing outside themselves."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

MAY_IMPORT: dict[str, frozenset[str]] = {
    "schemas": frozenset(),
    "features": frozenset({"schemas"}),
    "detectors": frozenset({"schemas", "features"}),
    "credit": frozenset({"schemas", "features", "detectors"}),
    "streams": frozenset({"schemas", "features", "detectors", "credit", "ops"}),
    "sinks": frozenset({"schemas", "ops"}),
    "desk": frozenset({"schemas", "ops"}),
    "ops": frozenset(),
    "tideline": frozenset(
        {"schemas", "features", "detectors", "credit", "streams", "sinks", "desk", "ops"}
    ),
}
"""Package -> those of our packages that it may import, besides itself."""
OURS = frozenset(MAY_IMPORT) | {"deploy", "bench", "tests"}

PURE = ("schemas", "features", "detectors", "credit")
_WORLD = """
    aiokafka asyncio chdb clickhouse_driver concurrent confluent_kafka faust http httpx importlib io
    logging mode multiprocessing os pathlib prometheus_client pydantic_settings random requests rich
    secrets select shutil signal socket sqlite3 ssl starlette subprocess tempfile threading time
    typer urllib uuid uvicorn
"""
IMPURE_MODULES = frozenset(_WORLD.split())
"""What reads or changes the world: I/O, clocks, environment, threads, randomness, logs."""
IMPURE_CALLS = frozenset({"open", "input", "print", "eval", "exec", "__import__", "hash", "id"})
"""Built-in functions of the same kind; ``hash`` of a text differs from process to process."""
IMPURE_METHODS = frozenset({"now", "utcnow", "today"})
"""Methods of ``datetime`` and ``date`` that read the clock."""
SEEDED_NUMPY_RANDOM = frozenset({"Generator", "default_rng", "SeedSequence", "PCG64"})


def sources(package: str) -> list[Path]:
    """Python files of a package, in a stable order."""
    return sorted((ROOT / package).rglob("*.py"))


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and top-level module of every import, also of those inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:  # relative: its own package
            yield node.lineno, (node.module or "").split(".")[0]


def wrong_imports(package: str, tree: ast.AST) -> list[str]:
    """Imports of our packages against the direction, and of the world by a pure package."""
    forbidden = OURS - MAY_IMPORT[package] - {package}
    if package in PURE:
        forbidden |= IMPURE_MODULES
    return [f"line {line}: imports {name}" for line, name in imports(tree) if name in forbidden]


def impure_acts(tree: ast.AST) -> list[str]:
    """Calls in a pure module that read or change the world without an import that says so."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in IMPURE_CALLS:
                found.append(f"line {node.lineno}: {node.func.id}()")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value).split(".")[-1]
            if node.func.attr in IMPURE_METHODS and owner in ("datetime", "date", "dt"):
                found.append(f"line {node.lineno}: {owner}.{node.func.attr}()")
            if node.func.attr == "default_rng" and not (node.args or node.keywords):
                found.append(f"line {node.lineno}: default_rng() without a seed")
        elif isinstance(node, ast.Global):
            found.append(f"line {node.lineno}: global {', '.join(node.names)}")
        elif isinstance(node, ast.Attribute) and ast.unparse(node).startswith("np.random."):
            name = ast.unparse(node).split(".")[2]
            if name not in SEEDED_NUMPY_RANDOM:
                found.append(f"line {node.lineno}: np.random.{name}")
    return found


def _modules(packages: tuple[str, ...]) -> list[tuple[str, Path]]:
    return [(package, path) for package in packages for path in sources(package)]


def _name(value: object) -> str:
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else ""


@pytest.mark.parametrize(("package", "path"), _modules(tuple(MAY_IMPORT)), ids=_name)
def test_imports_follow_the_direction(package: str, path: Path) -> None:
    assert wrong_imports(package, ast.parse(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(("package", "path"), _modules(PURE), ids=_name)
def test_pure_modules_read_no_clock_file_or_environment(package: str, path: Path) -> None:
    assert impure_acts(ast.parse(path.read_text("utf-8"))) == []


def test_every_package_of_the_wheel_is_checked() -> None:
    listed = (ROOT / "pyproject.toml").read_text("utf-8")
    line = next(row for row in listed.splitlines() if row.startswith("packages = ["))
    assert set(ast.literal_eval(line.removeprefix("packages = "))) == set(MAY_IMPORT)
    assert all(sources(package) for package in MAY_IMPORT)


@pytest.mark.parametrize(
    ("package", "code"),
    [
        ("schemas", "from features.state import State"),
        ("schemas", "from ops import settings"),
        ("features", "import detectors.sentinels"),
        ("detectors", "def f():\n    from credit import policy"),
        ("credit", "import streams"),
        ("credit", "import confluent_kafka"),
        ("features", "from os import environ"),
        ("detectors", "import time as t"),
        ("streams", "from sinks.clickhouse import Sink"),
        ("sinks", "import streams.records"),
        ("desk", "from credit.policy import Policy"),
        ("ops", "from schemas import topics"),
        ("tideline", "import tests.conftest"),
    ],
)
def test_a_wrong_import_is_found(package: str, code: str) -> None:
    assert len(wrong_imports(package, ast.parse(code))) == 1


@pytest.mark.parametrize(
    "code",
    [
        "open('x')",
        "hash('x')",
        "datetime.now()",
        "datetime.datetime.utcnow()",
        "date.today()",
        "np.random.rand(3)",
        "np.random.default_rng()",
        "def f():\n    global x",
    ],
)
def test_an_impure_act_is_found(code: str) -> None:
    assert len(impure_acts(ast.parse(code))) == 1


def test_what_is_allowed_is_let_through() -> None:
    code = "from schemas import events\nimport numpy as np\nrng = np.random.default_rng(7)"
    assert wrong_imports("features", ast.parse(code)) == []
    assert impure_acts(ast.parse(code)) == []
