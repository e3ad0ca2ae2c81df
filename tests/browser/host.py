"""The demo in a process of its own, told what to do by lines of JSON on standard input.

It is the ``Demo`` that ``tideline demo`` runs. Its embedded ClickHouse is that process's alone, so
what a test wants to know of the store is asked for here.
"""

import json
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from ops.metrics import Metrics
from ops.signals import StopFlag
from sinks.engine import engine_at
from tideline.commands.demo import Demo
from tideline.commands.desk import desk_server
from tideline.demo_people import shown

NOBODY_ANSWERS = "clickhouse://127.0.0.1:9"
"""A store that is down: this machine's port for what is thrown away."""


class ToldDemo(Demo):
    """The demo, with a second desk whose store does not answer."""

    def __enter__(self) -> "ToldDemo":
        super().__enter__()
        self._without = engine_at(NOBODY_ANSWERS)
        self._second, self.silent = desk_server(self._settings, self._without, Metrics())
        self._second_thread = threading.Thread(target=self._second.run, name="desk-without-store")
        self._second_thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "_second_thread"):
            self._second.should_exit = True
            self._second_thread.join(10)
            self._without.close()
        super().__exit__()

    def answer(self, request: dict[str, Any]) -> Any:
        """The answer to ``{"do": …}``, as JSON has it."""
        match request["do"]:
            case "publish":
                return self.publish(Path(request["path"]), None, quiet=True)
            case "drain":
                return self.drain()
            case "query":
                return self._engine.query(request["sql"], request["params"])
            case "total":
                role = next(c for c in self._children if c.name == request["role"])
                return role.total(request["metric"], **request["labels"])
        raise ValueError(f"{request['do']} is none of publish, drain, query, total")


def main() -> None:
    """Start, say where the desks are and who may log in, then obey until the input ends."""
    stopping = StopFlag.install()
    os.environ["TIDELINE_DESK__PORT"] = "0"
    with (
        tempfile.TemporaryDirectory(prefix="tideline-browser-") as folder,
        ToldDemo(Path(folder), stopping) as demo,
    ):
        _say({"desk": demo.address, "silent": demo.silent, "people": shown(demo.people)})
        for line in sys.stdin:
            _say(demo.answer(json.loads(line)))
            demo.check()


def _say(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
