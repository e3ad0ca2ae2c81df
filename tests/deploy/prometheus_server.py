"""A real Prometheus on a free loopback port, for tests that ask it instead of reading text."""

import contextlib
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tideline.children import free_port

READY_S = 30.0
STOP_S = 15.0
STARTS = 3
"""The port may be taken between choosing and using it: start again on another."""


def missing_tools() -> str | None:
    """What this machine lacks to run Prometheus and its tools, or None."""
    missing = [t for t in ("prometheus", "promtool", "amtool") if shutil.which(t) is None]
    return f"{', '.join(missing)} not found" if missing else None


class PrometheusError(RuntimeError):
    """Prometheus did not start, or a query has no single answer."""


class PrometheusServer:
    """Scrapes ``targets`` (job name → ``host:port`` …); ended by its process id on exit.

    ``folder`` takes the configuration, the data and the log. ``rule_files`` are evaluated at the
    scrape interval.
    """

    def __init__(
        self,
        folder: Path,
        targets: Mapping[str, Sequence[str]],
        *,
        scrape_interval_ms: int = 500,
        rule_files: Sequence[Path] = (),
    ) -> None:
        self.folder = folder
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        interval = f"{scrape_interval_ms}ms"
        self._config = {
            "global": {"scrape_interval": interval, "evaluation_interval": interval},
            "rule_files": [str(path) for path in rule_files],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": list(addresses)}]}
                for job, addresses in targets.items()
            ],
        }

    def __enter__(self) -> "PrometheusServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """``http://127.0.0.1:port``."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until it is ready. Raises ``PrometheusError`` with the end of its log."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "prometheus.yml"
        config.write_text(yaml.safe_dump(self._config), "utf-8")
        for _ in range(STARTS):
            self.port = free_port()
            with (self.folder / "prometheus.log").open("ab") as log:
                self._process = subprocess.Popen(
                    [
                        "prometheus",
                        f"--config.file={config}",
                        f"--storage.tsdb.path={self.folder / 'data'}",
                        f"--web.listen-address=127.0.0.1:{self.port}",
                    ],
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            if self._becomes_ready(self._process):
                return
            self.stop()
        raise PrometheusError(f"Prometheus does not start:\n{self.log()}")

    def stop(self) -> None:
        """End it: politely, then for good."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S)

    def log(self) -> str:
        """The end of what it said."""
        return (self.folder / "prometheus.log").read_text("utf-8", "replace")[-2000:]

    def vector(self, expr: str) -> dict[tuple[tuple[str, str], ...], float]:
        """Instant values by sorted labels. Raises ``PrometheusError`` for a wrong expression."""
        data = self._get(f"/api/v1/query?{urllib.parse.urlencode({'query': expr})}")["data"]
        if data["resultType"] == "scalar":
            return {(): float(data["result"][1])}
        return {
            tuple(sorted(sample["metric"].items())): float(sample["value"][1])
            for sample in data["result"]
        }

    def query(self, expr: str) -> float:
        """The one value of an expression. Raises ``PrometheusError`` for none or several."""
        found = self.vector(expr)
        if len(found) != 1:
            raise PrometheusError(f"{expr} has {len(found)} values: {found}")
        return next(iter(found.values()))

    def wait_for(
        self, expr: str, accept: Callable[[float], bool], *, timeout_s: float = 30.0
    ) -> float:
        """The value of ``expr`` once ``accept`` takes it. Raises ``PrometheusError`` if never."""
        deadline = time.monotonic() + timeout_s
        value: float | None = None
        while time.monotonic() < deadline:
            found = self.vector(expr)
            if len(found) == 1:
                value = next(iter(found.values()))
                if accept(value):
                    return value
            time.sleep(0.1)
        raise PrometheusError(f"{expr} is {value} after {timeout_s:.0f} s")

    def targets_up(self) -> dict[str, bool]:
        """Whether the last scrape of each target worked, by ``host:port``."""
        active = self._get("/api/v1/targets?state=active")["data"]["activeTargets"]
        return {t["labels"]["instance"]: t["health"] == "up" for t in active}

    def _becomes_ready(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError), self._open("/-/ready"):
                return True
            time.sleep(0.1)
        return False

    def _get(self, path: str) -> dict[str, Any]:
        try:
            with self._open(path) as answer:
                body: dict[str, Any] = json.load(answer)
                return body
        except urllib.error.HTTPError as error:
            raise PrometheusError(f"{path}: {error.read().decode(errors='replace')}") from None

    def _open(self, path: str) -> Any:
        return urllib.request.urlopen(self.address + path, timeout=10)  # noqa: S310 - loopback
