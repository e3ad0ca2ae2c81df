"""deploy/Dockerfile and the runtime lock: built from what is there, checked by what is served."""

import importlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ops.health import STALL_S, HealthServer
from ops.metrics import Metrics
from ops.settings import load_settings
from tests.deploy.files import ROOT, environment, healthcheck_of_image, instructions, own_services

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def _copied() -> set[str]:
    return {
        source
        for name, argument in instructions()
        if name == "COPY" and not argument.startswith("--from")
        for source in argument.split()[:-1]
    }


def _environment() -> dict[str, str]:
    return {
        name: value
        for instruction, argument in instructions()
        if instruction == "ENV"
        for name, value in re.findall(r"(\w+)=(\S+)", argument)
    }


def _locked(name: str) -> list[tuple[str, str]]:
    """(package, version); a package may have a version for each of several Pythons."""
    text = (ROOT / name).read_text("utf-8")
    return re.findall(r"^([\w.\-]+)==([^\s;\\]+)", text, re.MULTILINE)


def test_every_package_of_the_wheel_is_copied_and_nothing_that_is_not_there() -> None:
    assert set(PACKAGES) <= _copied()
    for source in _copied():
        assert (ROOT / source).exists(), source


def test_the_builder_is_sent_what_is_copied_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == _copied()


def test_dependencies_are_a_layer_before_the_source() -> None:
    order = [f"{name} {argument}" for name, argument in instructions()]
    installed = next(i for i, each in enumerate(order) if "--require-hashes" in each)
    assert "--only-binary :all:" in order[installed]
    sources = [i for i, each in enumerate(order) if any(f"COPY {p} " in each for p in PACKAGES)]
    assert installed < min(sources)


def test_the_base_is_pinned_and_has_a_python_that_the_project_takes() -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    version = re.search(r"PYTHON_IMAGE=python:(3\.\d+)\.\d+-slim-\w+\n", text)
    assert version
    assert PROJECT["project"]["requires-python"] == f">={version[1]}"


def test_its_variables_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("TIDELINE_")]:
        monkeypatch.delenv(name)
    for name, value in _environment().items():
        if name.startswith("TIDELINE_"):
            monkeypatch.setenv(name, value)
    metrics = load_settings().metrics
    assert str(metrics.port) in dict(instructions())["EXPOSE"].split()
    # Compose says the same, so that neither has to be read to know the other.
    for service in own_services().values():
        assert environment(service)["TIDELINE_METRICS__PORT"] == str(metrics.port)


def test_the_entry_point_is_the_projects_command() -> None:
    assert dict(instructions())["ENTRYPOINT"] == '["tideline"]'
    assert "tideline" in PROJECT["project"]["scripts"]


def test_the_kernels_cache_is_writable_in_a_read_only_container() -> None:
    cache = _environment()["NUMBA_CACHE_DIR"]
    roles = [s for s in own_services().values() if s["restart"] == "unless-stopped"]
    assert all(f"numba-cache:{cache}" in service["volumes"] for service in roles)


def test_what_the_build_compiles_is_the_feature_kernel() -> None:
    (line,) = [a for name, a in instructions() if name == "RUN" and a.startswith("python -c")]
    names = re.search(r"from ([\w.]+) import ([\w, ]+);", line)
    assert names
    module = importlib.import_module(names[1])
    assert all(hasattr(module, name.strip()) for name in names[2].split(","))


def test_the_health_check_tells_a_healthy_role_from_a_stalled_one() -> None:
    server = HealthServer(Metrics(), "127.0.0.1", 0)
    try:

        def check() -> int:
            return subprocess.run(
                [sys.executable, *healthcheck_of_image()[1:]],
                env={**os.environ, "TIDELINE_METRICS__PORT": str(server.port)},
                stderr=subprocess.DEVNULL,
                timeout=30,
                check=False,
            ).returncode

        server.beat("scoring")
        assert check() == 0
        server._beats["scoring"] -= STALL_S + 1
        assert check() != 0
    finally:
        server.stop()
    assert check() != 0


def test_the_runtime_lock_is_the_full_lock_without_the_development_tools() -> None:
    runtime, full = _locked("requirements-runtime.lock"), _locked("requirements.lock")
    assert set(runtime) < set(full), "run `make lock`"
    names = {name for name, _ in runtime}
    assert names.isdisjoint({"pytest", "ruff", "mypy", "hypothesis"})
    for requirement in PROJECT["project"]["dependencies"]:
        name = re.match(r"[\w.\-]+", requirement)
        assert name and name[0].lower() in names, requirement


def test_every_file_of_the_runtime_lock_has_its_hash() -> None:
    text = (ROOT / "requirements-runtime.lock").read_text("utf-8")
    entries = re.split(r"\n(?=\S)", text.strip())
    assert len(entries) == len(_locked("requirements-runtime.lock"))
    assert [e.split("\n")[0] for e in entries if "--hash=sha256:" not in e] == []
    assert not re.search(r"(index-url|find-links|file://|https?://)", text)


def test_the_image_says_what_it_is() -> None:
    labels = " ".join(argument for name, argument in instructions() if name == "LABEL")
    for label in ("title", "description", "licenses", "version", "revision", "created"):
        assert f"org.opencontainers.image.{label}=" in labels
    assert (Path(ROOT) / "LICENSE").exists()
