"""How quick the desk is with a million alerts, and how many can watch its queue at once.

Serves the desk over the rows of ``bench.desk_rows`` in a process of its own and asks it over
loopback, as a browser would: each page and API call in turn, again and again with other merchants,
alerts and filters, one more alert being stored before each round. Then 200 viewers hold the queue
open while an alert arrives each second; each asks for its rows at every event, as the page does.
All times are of the client, so that the server's queues and threads are in them.

    python -m bench.desk_load --alerts 1000000 --merchants 100000
"""

import argparse
import asyncio
import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import yaml

from bench.desk_rows import HEAVY_MERCHANTS, fill
from bench.desk_viewers import Watched, watch
from desk import passwords
from desk.admission import COOKIE
from sinks.embedded import EmbeddedEngine
from sinks.migrate import migrate

PASSWORD = "of the bench only"  # noqa: S105 - opens nothing but this desk
WARM_UP = 2
SEGMENTS = 12
FUNDERS = 5


class Call(NamedTuple):
    """What is asked for: a name for the table, and the address of the nth request."""

    name: str
    at: Callable[[int], str]


def calls(alerts: list[str], merchants: int, *, funder: int | None) -> list[Call]:
    """Pages and API calls of somebody who sees all, or the merchants of one funder."""

    def merchant(n: int) -> str:
        number = n % HEAVY_MERCHANTS if n % 2 else n * 7919 % merchants
        return f"m-{number if funder is None else number - number % FUNDERS + funder}"

    def chosen(n: int) -> str:
        return urlencode(
            [
                {"severity": "critical"},
                {"segment": f"segment-{n % SEGMENTS}"},
                {"kind": "silence", "clock": "overdue"},
                {"assignee": "ana"},
                {"state": "closed"},
                {"merchant": f"m-{n}"},
                {"product": "flex-90", "currency": "USD"},
            ][n % 7]
        )

    def alert(n: int) -> str:
        return alerts[n % len(alerts)]

    found = [
        Call("queue", lambda _: "/"),
        Call("queue, filtered", lambda n: f"/?{chosen(n)}"),
        Call("queue rows", lambda n: f"/queue/rows?{chosen(n + 3)}"),
        Call("queue, latest changes", lambda _: "/queue/changes"),
        Call("alert", lambda n: f"/alerts/{alert(n)}"),
        Call("alert, live part", lambda n: f"/alerts/{alert(n + 1)}/state"),
        Call("merchants", lambda n: f"/merchants?q={'' if n % 2 else f'm-{n}'}"),
        Call("merchant", lambda n: f"/merchants/{merchant(n)}"),
        Call(
            "merchant, plots",
            lambda n: f"/merchants/{merchant(n)}/series?range={['90d', 'all'][n % 2]}",
        ),
        Call("merchant, counterparties", lambda n: f"/merchants/{merchant(n)}/counterparties"),
        Call("merchant, trail", lambda n: f"/merchants/{merchant(n)}/trail"),
        Call("portfolio", lambda n: f"/portfolio?currency={['CNY', 'USD'][n % 2]}"),
        Call("portfolio, charts", lambda n: f"/portfolio/series?currency={['CNY', 'USD'][n % 2]}"),
        Call("limits", lambda n: f"/limits?action={['', 'increase'][n % 2]}"),
        Call("scorecard", lambda n: f"/scorecard?days={[30, 90, 365][n % 3]}"),
    ]
    if funder is None:
        found += [
            Call("policy", lambda _: "/policy"),
            Call("models", lambda _: "/models"),
            Call("system", lambda _: "/system"),
            Call("audit", lambda n: f"/audit?{urlencode({'actor': ['', 'ana'][n % 2]})}"),
        ]
    api = {
        "alerts": lambda n: f"alerts?segment=segment-{n % SEGMENTS}",
        "alerts of any state": lambda n: f"alerts?state=any&kind={['silence', 'balance'][n % 2]}",
        "alert": lambda n: f"alerts/{alert(n + 2)}",
        "merchants": lambda n: f"merchants?band={'ABCDE'[n % 5]}",
        "merchant": lambda n: f"merchants/{merchant(n)}",
        "assessments": lambda n: f"merchants/{merchant(n)}/assessments",
        "limit changes of a merchant": lambda n: f"merchants/{merchant(n)}/limit-changes",
        "series": lambda n: f"merchants/{merchant(n)}/series",
        "events": lambda n: f"merchants/{merchant(n)}/events",
        "limit changes": lambda n: f"limit-changes?{['', 'state=sent'][n % 2]}",
        "proposals": lambda _: "proposals",
        "portfolio": lambda _: "portfolio",
        "health": lambda _: "health",
        "me": lambda _: "me",
    }
    if funder is None:
        api |= {"models": lambda _: "models", "policies": lambda _: "policies"}
        api |= {"audit": lambda n: f"audit?{['', 'action=login'][n % 2]}"}
    return found + [
        Call(f"API: {name}", lambda n, at=at: f"/api/v1/{at(n)}")  # type: ignore[misc]
        for name, at in api.items()
    ]


class Client:
    """Somebody who is logged in, on one connection."""

    def __init__(self, port: int, name: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        form = urlencode({"name": name, "password": PASSWORD})
        headers = {"content-type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", "/login", form, headers)
        answer = self._connection.getresponse()
        answer.read()
        self.cookie = (answer.getheader("set-cookie") or "").partition(";")[0]
        if not self.cookie.startswith(COOKIE):
            raise SystemExit(f"no login as {name}: {answer.status}")

    def get(self, path: str) -> tuple[float, bytes]:
        """Milliseconds until the whole answer was there, and the answer."""
        started = time.perf_counter()
        self._connection.request("GET", path, headers={"cookie": self.cookie})
        answer = self._connection.getresponse()
        body = answer.read()
        took = (time.perf_counter() - started) * 1000
        if answer.status >= 400:
            raise SystemExit(f"{path}: {answer.status} {body[-300:]!r}")
        return took, body


class Server:
    """The desk in a process of its own."""

    def __init__(self, folder: Path, users: Path, merchants: int, events: int) -> None:
        command = [sys.executable, "-m", "bench.desk_server", str(folder), str(users)]
        self.process = subprocess.Popen(
            [*command, str(merchants), str(events)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._line())

    def store_alert(self) -> int:
        """Have one more alert stored; returns when it was (monotonic ns)."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self._line())

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the desk ended; see its messages above")
        return line


def quantiles(times: list[float]) -> dict[str, float]:
    """p50, p95, p99 and the longest, by the nearest rank."""
    ordered = sorted(times)

    def at(share: float) -> float:
        return round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 1)

    return {"p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "longest": round(ordered[-1], 1)}


def measure_calls(
    server: Server, client: Client, wanted: list[Call], rounds: int
) -> dict[str, dict[str, float]]:
    """Milliseconds of each call, all in turn."""
    times: dict[str, list[float]] = {call.name: [] for call in wanted}
    for n in range(rounds + WARM_UP):
        server.store_alert()
        for call in wanted:
            took, _ = client.get(call.at(n))
            if n >= WARM_UP:
                times[call.name].append(took)
    return {name: quantiles(each) for name, each in times.items()}


def alert_ids(client: Client) -> list[str]:
    """Some alerts, open and closed, of all segments."""
    found = []
    for n in range(SEGMENTS):
        state = ("active", "closed")[n % 2]
        _, body = client.get(f"/api/v1/alerts?state={state}&segment=segment-{n}&limit=10")
        found += [each["alert_id"] for each in json.loads(body)["items"]]
    # Those of one segment far apart.
    return found[::7] + found[1::7] + found[2::7]


def users_text() -> str:
    """One person who sees all, one of a funder."""
    hashed = str(passwords.hashed(PASSWORD, passwords.COST_LEAST))
    return yaml.safe_dump(
        {
            "users": {
                "ana": {"role": "administrator", "password": hashed},
                "bank": {"role": "viewer", "password": hashed, "funders": ["bank-3"]},
            }
        }
    )


def markdown(found: dict[str, Any]) -> str:
    """The tables for docs/performance.md."""
    lines = [
        "| ms until the whole answer is there | p50 | p95 | p99 | of a funder: p50 | p95 | p99 |"
    ]
    lines.append("|---|---|---|---|---|---|---|")
    for name, figures in found["calls"].items():
        cells = [f"{figures[q]:,.0f}" for q in ("p50", "p95", "p99")]
        bounded = found["calls_of_a_funder"].get(name)
        cells += [f"{bounded[q]:,.0f}" if bounded else "–" for q in ("p50", "p95", "p99")]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    watched = found["watched"]
    if watched:
        lines += [
            "",
            f"| {watched['viewers']} viewers, an alert each second | p50 | p95 | longest |",
        ]
        lines.append("|---|---|---|---|")
        for name in ("stored to the event heard", "stored to the new rows shown", "rows asked for"):
            f = watched["ms"][name]
            lines.append(
                f"| {name}, ms | {f['p50']:,.0f} | {f['p95']:,.0f} | {f['longest']:,.0f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Fill or take a folder, measure, and print JSON and Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--alerts", type=int, default=1_000_000)
    parser.add_argument("--merchants", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--viewers", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--folder", type=Path, help="filled once and kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tideline-bench-") as temporary:
        folder = options.folder or Path(temporary) / "clickhouse"
        if not folder.exists():
            engine = EmbeddedEngine(str(folder), "bench")
            migrate(engine)
            fill(engine, options.alerts, options.merchants, options.events)
            engine.close()
        users = Path(temporary) / "users.yaml"
        users.write_text(users_text())
        server = Server(folder, users, options.merchants, options.events)
        try:
            found: dict[str, Any] = {}
            for name, person, own in (("calls", "ana", None), ("calls_of_a_funder", "bank", 3)):
                client = Client(server.port, person)
                wanted = calls(alert_ids(client), options.merchants, funder=own)
                found[name] = measure_calls(server, client, wanted, options.rounds)
            watched: Watched | None = None
            if options.viewers:
                cookie = Client(server.port, "ana").cookie
                watched = asyncio.run(watch(server, cookie, options.viewers, options.seconds))
            found["watched"] = watched.figures(quantiles) if watched else None
        finally:
            server.close()
    print(json.dumps(found, indent=2))
    print(markdown(found))


if __name__ == "__main__":
    main()
