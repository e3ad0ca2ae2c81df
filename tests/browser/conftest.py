"""One demo, one browser and one login of each person for all tests of the folder."""

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from desk.navigation import ITEMS
from tests.conftest import require

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.lending import Line
    from tests.browser.running import RunningDemo
    from tests.browser.watching import Arrival, Findings, Look, Watched

HERE = Path(__file__).parent
ARGUMENTS = """
    --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync
"""
TIMEOUT_S = 300

Open = Callable[..., "Watched"]
"""``open_as(name, look, …)``: a watched context of a person who is logged in, None for nobody."""


def missing() -> str | None:
    """What is missing for a browser, or None."""
    if importlib.util.find_spec("playwright") is None:
        return "the package playwright is not installed; it is in the dependency group `test`"
    if shutil.which("chromium") is None:
        return "chromium is not installed (Debian: apt install chromium)"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs the browser, and the first test waits for the demo."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """Debian's Chromium, without a window."""
    require("browser", missing())
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=ARGUMENTS.split()
        )
        yield started
        started.close()


@pytest.fixture(scope="session")
def demo(browser: "Browser", tmp_path_factory: pytest.TempPathFactory) -> Iterator["RunningDemo"]:
    """The demo with nothing published yet."""
    from tests.browser.running import RunningDemo

    with RunningDemo(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture(scope="session")
def sessions(browser: "Browser", demo: "RunningDemo") -> dict[str, Any]:
    """The cookies of each person, by name: the desk lets nobody log in often."""
    from tests.browser.watching import log_in

    found = {}
    for name, password in demo.passwords.items():
        context = browser.new_context(base_url=demo.desk)
        log_in(context.new_page(), name, password)
        found[name] = context.storage_state()
        context.close()
    return found


@pytest.fixture(scope="session")
def open_as(browser: "Browser", demo: "RunningDemo", sessions: dict[str, Any]) -> Iterator[Open]:
    """Opens contexts, which live as long as the browser."""
    from tests.browser.watching import Watched

    opened: list[Watched] = []

    def open_one(
        name: str | None, look: "Look", *, origin: str | None = None, bypass_csp: bool = False
    ) -> Watched:
        session = sessions[name] if name else None
        made = Watched(browser, origin or demo.desk, look, session=session, bypass_csp=bypass_csp)
        opened.append(made)
        return made

    yield open_one
    for each in opened:
        each.close()


@pytest.fixture(scope="session")
def seen_empty(open_as: Open) -> dict[str, "Findings"]:
    """What the pages are like before anything is published, by path."""
    from tests.browser.watching import DESKTOP, Look, findings

    looked = open_as("omar", Look(DESKTOP, "en", "light"))
    return {item.path: findings(looked, item.path) for item in ITEMS}


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sample in two files, the earlier events first."""
    from tests.browser.running import sample_parts

    return sample_parts(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="session")
def earlier(
    demo: "RunningDemo", parts: tuple[Path, Path], seen_empty: dict[str, "Findings"]
) -> "RunningDemo":
    """The demo once the earlier part of the sample is scored and stored."""
    assert seen_empty, "the desk is looked at before it has anything"
    _publish(demo, parts[0])
    return demo


@pytest.fixture(scope="session")
def new_alerts(earlier: "RunningDemo", open_as: Open, parts: tuple[Path, Path]) -> "Arrival":
    """The alerts of a queue that stays open while the rest of the sample comes."""
    from tests.browser.watching import DESKTOP, Look, arrival

    looked = open_as("mei", Look(DESKTOP, "en", "light"))
    return arrival(looked, lambda: _publish(earlier, parts[1]))


@pytest.fixture(scope="session")
def filled(earlier: "RunningDemo", new_alerts: "Arrival") -> "RunningDemo":
    """The demo once all of the sample is scored and stored."""
    assert new_alerts
    return earlier


@pytest.fixture(scope="session")
def funded(filled: "RunningDemo", open_as: Open) -> "RunningDemo":
    """The demo under a policy with funders and approvals, published at the desk by two people."""
    from tests.browser import lending
    from tests.browser.watching import DESKTOP, Look

    desktop = Look(DESKTOP, "en", "light")
    lending.propose_policy(open_as("mei", desktop).page, lending.policy_text())
    lending.publish_policy(open_as("omar", desktop).page)
    lending.in_force(filled)
    return filled


@pytest.fixture(scope="session")
def waiting(funded: "RunningDemo", open_as: Open) -> list["Line"]:
    """Three lines whose override waits: two of the analyst, the last one of the approver."""
    from tests.browser import lending
    from tests.browser.watching import DESKTOP, Look

    first, second, third = lending.lines(funded)[:3]
    pages = {name: open_as(name, Look(DESKTOP, "en", "light")).page for name in ("mei", "omar")}
    for name, line in (("mei", first), ("mei", second), ("omar", third)):
        lending.propose_limit(pages[name], line)
    return [first, second, third]


def _publish(demo: "RunningDemo", path: Path) -> None:
    """Publish a file, and wait until all of it is scored and stored."""
    for request in ({"do": "publish", "path": str(path)}, {"do": "drain"}):
        demo.tell(**request)
        demo.done()
