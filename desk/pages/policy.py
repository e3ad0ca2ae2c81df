"""Policies and rule files: in force, texts and differences, drafts, and publication by two."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from desk import backtests, policies
from desk import policy_queries as queries
from desk.forms import InvalidForm, needed, posted
from desk.policy_books import BookUnavailable, Checked, Document, Draft, Drafts, PolicyBook
from desk.services import Desk
from schemas.events import GLOBAL_MERCHANT

PATH = "/policy"
DOCUMENT_CHARACTERS_MAX = 200_000
"""As ``policy.publish`` takes it."""
SENT = {
    "proposed": "The draft waits for a second person. It is kept in this desk's memory until then.",
    "published": "The publication was sent. It is in force from its place in the log on.",
    "discarded": "The draft was discarded.",
}

Page = Callable[["Pages", Request], Response]


def routes(desk: Desk, book: PolicyBook, folder: Path | None) -> list[Route]:
    """``/policy`` and what belongs to it. ``folder`` has summaries of backtests."""
    pages = Pages(desk, book, Drafts(), folder)

    def whole(page: Page) -> Callable[[Request], Response]:
        """For who sees all merchants: a policy tells of all funders' shares and caps."""

        def answer(request: Request) -> Response:
            if desk.scope(request).funders is not None:
                desk.commands.audit(desk.viewer(request), "denied", request.url.path)
                return desk.problem(request, 403)
            return page(pages, request)

        return answer

    return [
        desk.route(PATH, whole(Pages.show)),
        desk.route(f"{PATH}/documents/{{artifact}}/{{version}}", whole(Pages.document)),
        desk.route(f"{PATH}/check", whole(Pages.check), "propose_limit", methods=("POST",)),
        desk.route(f"{PATH}/propose", whole(Pages.propose), "propose_limit", methods=("POST",)),
        desk.route(f"{PATH}/drafts/{{digest}}", whole(Pages.draft)),
        desk.route(f"{PATH}/publish", whole(Pages.publish), "publish_policy", methods=("POST",)),
        desk.route(f"{PATH}/discard", whole(Pages.discard), "propose_limit", methods=("POST",)),
    ]


class Pages:
    """The pages over one store of drafts."""

    def __init__(self, desk: Desk, book: PolicyBook, drafts: Drafts, folder: Path | None) -> None:
        self._desk = desk
        self._book = book
        self._drafts = drafts
        self._folder = folder

    def show(self, request: Request) -> Response:
        """What is in force and was, a difference that was asked for, drafts and backtests."""
        documents, fault = self._documents()
        history = queries.history(self._desk.engine)
        return self._desk.page(
            request,
            "policy.html",
            sent=SENT.get(request.query_params.get("sent", "")),
            fault=fault,
            in_force=policies.in_force(history, documents),
            history=history,
            documents=documents,
            readable={(each.artifact, each.version, each.digest) for each in documents},
            drafts=self._drafts.all(),
            request_id=secrets.token_urlsafe(16),
            **self._compared(request, documents),
            **self._backtests(),
        )

    def document(self, request: Request) -> Response:
        """The text of a version, with line numbers."""
        documents, fault = self._documents()
        found = policies.document_of(
            documents,
            request.path_params["artifact"],
            request.path_params["version"],
            request.query_params.get("digest", ""),
        )
        if found is None:
            return self._desk.problem(request, 503 if fault else 404, fault)
        lines = list(enumerate(found.text.splitlines(), 1))
        return self._desk.page(request, "policy_document.html", document=found, lines=lines)

    def check(self, request: Request) -> Response:
        """A text as its publication would find it, beside what is in force."""
        text = _text(request)
        checked = self._book.check(text)
        return self._checked(request, checked, text, None)

    def propose(self, request: Request) -> Response:
        """Keep a text for a second person to publish."""
        form, viewer = posted(request), self._desk.viewer(request)
        text, reason = _text(request), needed(form, "reason")
        checked = self._book.check(text)
        if checked.faults:
            return self._checked(request, checked, text, None, 400)
        draft = Draft(checked, viewer.name, reason, self._desk.now_ms())
        if not self._drafts.add(draft):
            raise InvalidForm(
                f"{checked.version} waits already, or too many drafts do; publish or discard one"
            )
        self._desk.commands.audit(
            viewer,
            "command",
            checked.version,
            reason=reason,
            detail=f"policy.propose {checked.digest}",
        )
        return RedirectResponse(f"{PATH}?sent=proposed", 303)

    def draft(self, request: Request) -> Response:
        """A draft with its difference from what is in force, to be published or discarded."""
        draft = self._drafts.of(request.path_params["digest"])
        if draft is None:
            raise HTTPException(404)
        return self._checked(request, draft.checked, draft.checked.text, draft)

    def publish(self, request: Request) -> Response:
        """Put a draft in force. Who proposed it cannot publish it (four eyes)."""
        desk, form = self._desk, posted(request)
        viewer, digest = desk.viewer(request), needed(form, "digest")
        reason, request_id = needed(form, "reason"), needed(form, "request_id")
        draft = self._drafts.of(digest)
        if draft is None:
            raise HTTPException(404)
        if draft.proposed_by == viewer.name:
            desk.commands.audit(viewer, "denied", draft.checked.version, detail="policy.publish")
            return desk.problem(request, 403, "You proposed it: somebody else must publish it.")
        # What was published since may have taken the version, or a kind that the text names.
        again = self._book.check(draft.checked.text)
        if again.faults or again.digest != digest:
            return self._checked(request, again, draft.checked.text, draft, 400)
        if self._drafts.take(digest) is None:
            raise HTTPException(404)
        try:
            desk.commands.send(
                viewer,
                "policy.publish",
                GLOBAL_MERCHANT,
                {
                    "document": draft.checked.text,
                    "reason": f"{reason} (proposed by {draft.proposed_by}: {draft.reason})",
                },
                request_id=request_id,
                occurred_at=desk.event_time_ms(),
            )
        except BaseException:
            self._drafts.add(draft)
            raise
        return RedirectResponse(f"{PATH}?sent=published", 303)

    def discard(self, request: Request) -> Response:
        """Drop a draft: its proposer may, and whoever may publish."""
        desk, form = self._desk, posted(request)
        viewer, digest = desk.viewer(request), needed(form, "digest")
        draft = self._drafts.of(digest)
        if draft is None:
            raise HTTPException(404)
        if viewer.name != draft.proposed_by and not viewer.may("publish_policy"):
            return desk.problem(request, 403)
        self._drafts.take(digest)
        desk.commands.audit(
            viewer,
            "command",
            draft.checked.version,
            reason=form.get("reason", "").strip() or None,
            detail=f"policy.discard {digest}",
        )
        return RedirectResponse(f"{PATH}?sent=discarded", 303)

    # --- helpers -----------------------------------------------------------------------------

    def _checked(
        self, request: Request, checked: Checked, text: str, draft: Draft | None, status: int = 200
    ) -> Response:
        documents, _ = self._documents()
        standing = policies.in_force(queries.history(self._desk.engine), documents)
        now = standing[checked.artifact]
        held = now and policies.document_of(documents, now.artifact, now.version, now.digest)
        return self._desk.page(
            request,
            "policy_draft.html",
            status,
            checked=checked,
            text=text,
            draft=draft,
            now=now,
            difference=[]
            if held is None or checked.faults
            else policies.difference(held.text, checked.text, held.version, checked.version),
            compared=held is not None,
            request_id=secrets.token_urlsafe(16),
        )

    def _documents(self) -> tuple[list[Document], str | None]:
        try:
            return self._book.documents(), None
        except BookUnavailable as error:
            return [], str(error)

    def _compared(self, request: Request, documents: list[Document]) -> dict[str, Any]:
        """The difference of the two versions of ``from`` and ``to``, each ``artifact/version``."""
        names = [request.query_params.get(each, "") for each in ("from", "to")]
        found = [
            policies.document_of(documents, *name.split("/", 1)) if "/" in name else None
            for name in names
        ]
        before, after = found
        shown: dict[str, Any] = {"compared": names, "difference": None, "mixed": False}
        if before is None or after is None:
            return shown
        shown["mixed"] = before.artifact != after.artifact
        if not shown["mixed"]:
            shown["difference"] = policies.difference(
                before.text, after.text, before.version, after.version
            )
        return shown

    def _backtests(self) -> dict[str, Any]:
        if self._folder is None:
            return {"backtests": [], "backtests_fault": None, "backtests_named": False}
        try:
            found, fault = backtests.newest(self._folder), None
        except OSError as error:
            found, fault = [], f"TIDELINE_DESK__BACKTESTS_FOLDER: {error.strerror}"
        return {"backtests": found, "backtests_fault": fault, "backtests_named": True}


def _text(request: Request) -> str:
    """The document of a form. Browsers end lines by CR LF; the text that is checked has LF."""
    text = posted(request).get("document", "").replace("\r\n", "\n")
    if not text.strip():
        raise InvalidForm("`document` is empty; paste the YAML text of a policy or a rule file")
    if len(text) > DOCUMENT_CHARACTERS_MAX:
        raise InvalidForm(
            f"`document` has {len(text):,} characters, at most {DOCUMENT_CHARACTERS_MAX:,} fit"
        )
    return text
