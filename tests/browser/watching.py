"""Ways to look at the desk, and what a page must not do while somebody looks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from playwright.sync_api import Browser, BrowserContext, Page

from desk.i18n import Language
from desk.services import LANGUAGE_COOKIE, THEME_COOKIE

WAIT_MS = 20_000
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}

Theme = Literal["light", "dark"]


class Look(NamedTuple):
    """A window, a language and a theme."""

    size: dict[str, int]
    language: Language
    theme: Theme

    def __str__(self) -> str:
        where = "phone" if self.size is PHONE else "desktop"
        return f"{where}-{self.language}-{self.theme}"


class Watched:
    """A context of the browser that writes down complaints and requests to other hosts."""

    def __init__(
        self,
        browser: Browser,
        origin: str,
        look: Look,
        *,
        session: Any = None,
        bypass_csp: bool = False,
    ) -> None:
        self.origin = origin
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        self.context: BrowserContext = browser.new_context(
            base_url=origin,
            viewport={"width": look.size["width"], "height": look.size["height"]},
            has_touch=look.size is PHONE,
            locale="en-GB",
            storage_state=session,
            bypass_csp=bypass_csp,
        )
        self.context.set_default_timeout(WAIT_MS)
        self.context.add_cookies(
            [
                {"name": LANGUAGE_COOKIE, "value": look.language, "url": origin},
                {"name": THEME_COOKIE, "value": look.theme, "url": origin},
            ]
        )
        self.context.on("request", self._asked)
        self.page = self.new_page()

    def new_page(self) -> Page:
        """A page that is watched."""
        page = self.context.new_page()
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:", "blob:")):
            self.elsewhere.append(request.url)

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")

    def open(self, path: str) -> int:
        """Go to a page and wait until its parts have come; gives the status."""
        if "#" in path:
            self.page.goto("about:blank")  # else it may be a place on the page that is open
        answer = self.page.goto(path, wait_until="load")
        assert answer is not None
        settle(self.page)
        return answer.status

    def close(self) -> None:
        """End the context and its pages."""
        self.context.close()


def settle(page: Page) -> None:
    """Wait until no part of the page waits for the desk."""
    page.wait_for_function(
        """() => {
            const live = document.getElementById('live');
            const plots = document.getElementById('plots');
            return !document.querySelector('.htmx-request, .htmx-settling')
                && !document.querySelector('[hx-trigger="load"] > .empty > a')
                && !document.querySelector('figure.plot > .loading')
                && (!plots || document.querySelector('#plots-canvas canvas'))
                && (!live || live.dataset.state !== 'connecting');
        }"""
    )


def log_in(page: Page, name: str, password: str) -> None:
    """Fill in the form of the login, from wherever the page is."""
    page.goto("/login")
    page.fill("#name", name)
    page.fill("#password", password)
    page.click("main button.main")
    page.wait_for_selector(".menu")


class Findings(NamedTuple):
    """What opening a page showed. ``sideways_px`` is how far it is wider than its window."""

    status: int
    complaints: list[str]
    elsewhere: list[str]
    sideways_px: int
    texts: list[str]


def findings(looked: Watched, path: str) -> Findings:
    """Open a page and write down what is wrong with it."""
    looked.complaints.clear()
    looked.elsewhere.clear()
    status = looked.open(path)
    complaints = [
        text
        for text in looked.complaints
        # Chromium says so of the page itself, where the answer is an error on purpose.
        if not (status >= 400 and "the server responded with a status of" in text)
    ]
    return Findings(
        status,
        complaints,
        list(looked.elsewhere),
        looked.page.evaluate(
            "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        ),
        looked.page.evaluate(_TEXTS),
    )


_TEXTS = """() => {
    const found = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const parent = walk.currentNode.parentElement;
        const text = walk.currentNode.textContent.trim().replace(/\\s+/g, ' ');
        if (text && !parent.closest('script, style, textarea, code, pre')) found.push(text);
    }
    for (const element of document.querySelectorAll('[aria-label], [placeholder], [title]'))
        for (const name of ['aria-label', 'placeholder', 'title'])
            if (element.getAttribute(name)) found.push(element.getAttribute(name).trim());
    return found;
}"""
"""Every text of a page, folded parts too, without code and documents."""

_AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8")
GRAVE = ("serious", "critical")


def barriers(page: Page) -> list[str]:
    """What axe finds against WCAG 2 A and AA that is serious or worse. The context bypasses CSP."""
    page.evaluate(_AXE)
    found = page.evaluate(
        "() => axe.run(document, {runOnly: ['wcag2a', 'wcag2aa'], resultTypes: ['violations']})"
    )
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:160]} {node['failureSummary'][:240]}"
        for each in found["violations"]
        if each["impact"] in GRAVE
        for node in each["nodes"][:3]
    ]


class Arrival(NamedTuple):
    """Alerts on an open queue before and after something was published.

    ``same_page`` is whether the page is still the one that was opened.
    """

    before: set[str]
    after: set[str]
    same_page: bool
    complaints: list[str]


def alerts_on(page: Page) -> set[str]:
    """The ids of the alerts that the queue shows, those beyond today's hours too."""
    rows: list[str] = page.eval_on_selector_all(
        "tr[data-alert]", "rows => rows.map((row) => row.dataset.alert)"
    )
    return set(rows)


def arrival(looked: Watched, publish: Callable[[], object]) -> Arrival:
    """Open the queue, have something published, and touch nothing."""
    looked.open("/")
    page = looked.page
    page.evaluate("() => { window.untouched = true; }")
    before = alerts_on(page)
    publish()
    page.wait_for_function(
        "known => [...document.querySelectorAll('tr[data-alert]')]"
        ".some((row) => !known.includes(row.dataset.alert))",
        arg=sorted(before),
    )
    same_page = page.evaluate("() => window.untouched === true")
    return Arrival(before, alerts_on(page), same_page, list(looked.complaints))
