"""What is stored is told as it happens: in a stream that is bounded and ends when it should."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.testclient import TestClient

from desk import live as living
from desk.live import Live, Stored, TooManyViewers
from ops.errors import RetryableError
from sinks.embedded import EmbeddedEngine
from tests.desk.conftest import TOKEN, Sent, Store
from tests.desk.test_queue import due
from tests.sinks.outputs import assessment
from tideline.commands.desk import DeskServer


class Shelf:
    """An engine that stores a count of alerts, and can be silent."""

    def __init__(self) -> None:
        self.alerts = 0
        self.silent = False
        self.asked = 0

    def query(self, _sql: str, _params: Any = None) -> list[dict[str, Any]]:
        self.asked += 1
        if self.silent:
            raise RetryableError("the store is away")
        names = ("alerts", "limit_changes", "assessments", "latest", "log")
        empty = {"stored": 0, "event_ms": 0, "kafka_ms": 0}
        rows = [{"name": name, **empty} for name in names]
        rows[0]["stored"] = self.alerts
        return rows


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def live(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    monkeypatch.setattr(living, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(living, "BEAT_S", 0.1)
    made = Live(shelf, lambda: 1_000, viewers_max=2)
    yield made
    made.close()


def told(message: str) -> tuple[str, dict[str, Any]]:
    """Name and data of an event."""
    name, data = message.strip().split("\n")
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


async def after_retry(events: Any) -> tuple[str, dict[str, Any]]:
    assert await anext(events) == "retry: 3000\n\n"
    return told(await anext(events))


def test_news_reaches_everybody_who_follows(live: Live, shelf: Shelf) -> None:
    async def run() -> None:
        both = [live.follow(lambda: True), live.follow(lambda: True)]
        numbers = [(await after_retry(each))[1]["number"] for each in both]
        shelf.alerts = 1
        for each, number in zip(both, numbers, strict=True):
            name, data = told(await anext(each))
            while name == "beat":
                name, data = told(await anext(each))
            assert name == "queue" and data["number"] > number and data["answers"]
        for each in both:
            await each.aclose()

    asyncio.run(run())
    assert live.viewers == 0


def test_while_nothing_is_stored_there_are_only_beats(live: Live, shelf: Shelf) -> None:
    async def run() -> list[str]:
        events = live.follow(lambda: True)
        await after_retry(events)
        names = [told(await anext(events))[0] for _ in range(4)]
        await events.aclose()
        return names

    assert asyncio.run(run()).count("beat") >= 3


def test_one_look_serves_all_viewers(live: Live, shelf: Shelf) -> None:
    async def run() -> None:
        both = [live.follow(lambda: True) for _ in range(2)]
        for each in both:
            await after_retry(each)
        before, started = shelf.asked, time.monotonic()
        await asyncio.sleep(0.3)
        looks = (time.monotonic() - started) / 0.02
        assert 1 <= shelf.asked - before <= looks + 2
        for each in both:
            await each.aclose()

    asyncio.run(run())


def test_nobody_looks_when_nobody_follows(live: Live, shelf: Shelf) -> None:
    async def run() -> None:
        events = live.follow(lambda: True)
        await after_retry(events)
        await events.aclose()

    asyncio.run(run())
    for _ in range(100):
        if not any(thread.name == "desk-live" for thread in threading.enumerate()):
            break
        time.sleep(0.02)
    asked = shelf.asked
    time.sleep(0.1)
    assert shelf.asked == asked


def test_a_store_that_is_away_is_said_and_its_return_is_news(live: Live, shelf: Shelf) -> None:
    async def wait_for(events: Any, answers: bool) -> str:
        for _ in range(100):
            name, data = told(await anext(events))
            if data["answers"] is answers:
                return name
        raise AssertionError("nothing was said")

    async def run() -> None:
        events = live.follow(lambda: True)
        await after_retry(events)
        shelf.silent = True
        await wait_for(events, False)
        shelf.silent = False
        assert await wait_for(events, True) == "queue"
        await events.aclose()

    asyncio.run(run())


def test_connections_are_bounded(live: Live) -> None:
    async def run() -> None:
        both = [live.follow(lambda: True) for _ in range(2)]
        for each in both:
            await after_retry(each)
        assert live.is_full
        with pytest.raises(TooManyViewers):
            await anext(live.follow(lambda: True))
        await both[0].aclose()
        await after_retry(live.follow(lambda: True))
        await both[1].aclose()

    asyncio.run(run())


def test_a_session_that_ended_ends_the_stream(live: Live) -> None:
    async def run() -> list[str]:
        return [message async for message in live.follow(lambda: False)]

    messages = asyncio.run(asyncio.wait_for(run(), 5))
    assert messages[-1] == "event: end\ndata: {}\n\n"


def test_closing_ends_every_stream(live: Live) -> None:
    async def run() -> list[str]:
        threading.Timer(0.05, live.close).start()
        return [message async for message in live.follow(lambda: True)]

    assert asyncio.run(asyncio.wait_for(run(), 5))[-1].startswith("event: end")


def test_a_look_numbers_what_is_stored(engine: EmbeddedEngine, store: Store) -> None:
    live = Live(engine, lambda: 0)
    empty = live.look()
    assert (empty.event_ms, empty.kafka_ms, empty.answers) == (0, 0, True)
    assert live.look() == empty
    store(due(1), assessment(2))
    after = live.look()
    assert after.number == empty.number + 1
    assert (after.alerts, after.assessments) == (1, 1)
    assert after.event_ms == assessment(2).as_of and after.kafka_ms > 0
    engine.execute(
        "INSERT INTO event_records (lines, stored, kafka_topic, kafka_offset, kafka_timestamp_ms)"
        f" VALUES (1, 1, 'risk.events', 7, {after.kafka_ms + 5_000})"
    )
    assert live.look().kafka_ms == after.kafka_ms + 5_000


def test_equal_counts_are_equal_whatever_their_number() -> None:
    assert Stored(1, alerts=2).is_as(Stored(7, alerts=2))
    assert not Stored(1, alerts=2).is_as(Stored(1, alerts=3))


@pytest.fixture
def served(engine: EmbeddedEngine, outbox: Sent) -> Iterator[tuple[str, DeskServer]]:
    """The desk behind a real server."""
    from desk.app import create_app

    app = create_app(engine, outbox, token=TOKEN)
    config = uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=20)
    server = DeskServer(config, app.state.live)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}", server
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


def test_an_alert_is_heard_of_over_http_and_the_end_of_the_desk_too(
    served: tuple[str, DeskServer], store: Store
) -> None:
    address, server = served
    with httpx.Client(base_url=address, timeout=20) as client:
        client.get("/login", params={"token": TOKEN})
        with client.stream("GET", "/live") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            lines = stream.iter_lines()

            def heard(name: str) -> None:
                assert any(line == f"event: {name}" for line in lines), name

            heard("queue")
            store(due(1))
            heard("queue")
            asked_at = time.monotonic()
            server.should_exit = True
            with contextlib.suppress(httpx.RemoteProtocolError):
                heard("end")
            assert time.monotonic() - asked_at < 15, "it does not wait for the time-out"


def test_without_a_login_nothing_is_told(visitor: TestClient) -> None:
    assert visitor.get("/live").status_code == 401


def test_who_comes_when_all_places_are_taken_is_told_to_come_later(
    analyst: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Live, "is_full", True)
    answer = analyst.get("/live")
    assert answer.status_code == 503 and answer.headers["retry-after"] == "30"
