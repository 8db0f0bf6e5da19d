"""The review page as a web application: every address, what it reads and which template answers.

Pages work as plain HTML with forms; with htmx only the part that changed is sent, and `HX-Trigger` says in a
few words what happened.
"""

from __future__ import annotations

import functools
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from docgen_plugin.console import count, visible, visible_lines
from docgen_plugin.errors import DocgenError
from docgen_plugin.model import STATES, ColumnRef
from docgen_plugin.review import views
from docgen_plugin.review.access import Gate, Guard
from docgen_plugin.review.desk import Desk, Outcome

__all__ = ["application"]

_FORM = "application/x-www-form-urlencoded"
_STATES = {"accept": "accepted", "edit": "edited", "reject": "rejected"}

_Form = Mapping[str, str]


def application(desk: Desk, gate: Gate) -> Guard:
    """Return the page for one source, behind its gate."""
    pages = _Pages(desk)
    routes = [
        Route("/", _get(pages.tables)),
        Route("/table", _get(pages.table)),
        Route("/list", _get(pages.listed)),
        Route("/about", _get(pages.about)),
        Route("/pulse", _get(pages.pulse)),
        Route("/accept", _get(pages.accept), methods=["GET"]),
        Route("/apply", _get(pages.apply)),
        Route("/preview", _get(pages.preview)),
        Route("/decide", _post(pages.decide), methods=["POST"]),
        Route("/accept", _post(pages.accept_all), methods=["POST"]),
        Route("/undo", _post(pages.undo), methods=["POST"]),
        Route("/again", _post(pages.again), methods=["POST"]),
        Route("/reload", _post(pages.reload), methods=["POST"]),
        Route("/write", _post(pages.write), methods=["POST"]),
        Mount("/static", StaticFiles(packages=[("docgen_plugin.review", "static")])),
    ]
    return Guard(Starlette(routes=routes, exception_handlers={DocgenError: pages.failed}), gate)


def _get(handler: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
    @functools.wraps(handler)
    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(handler, request)

    return endpoint


def _post(handler: Callable[[Request, _Form], Response]) -> Callable[[Request], Awaitable[Response]]:
    @functools.wraps(handler)
    async def endpoint(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
            return PlainTextResponse("Only forms are taken here.", 415)
        form = {name: value for name, value in (await request.form()).multi_items() if isinstance(value, str)}
        if not hmac.compare_digest(form.get("key", "").encode(), request.state.form_key.encode()):
            return PlainTextResponse(
                "The form is not from this page, or from before docgen was restarted.", 403
            )
        return await run_in_threadpool(handler, request, form)

    return endpoint


def _ref(values: Mapping[str, str]) -> ColumnRef:
    return ColumnRef(values.get("table", ""), values.get("column", ""))


def _whole(text: str) -> int:
    """Return a number out of a link or a form, -1 for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1


class _Pages:
    """The answers; each runs in a thread of its own."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        environment = Environment(
            loader=PackageLoader("docgen_plugin.review"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters.update(visible=visible, visible_lines=visible_lines, number="{:,}".format)
        environment.globals.update(
            count=count,
            states=STATES,
            table_url=_table_url,
            place_url=lambda ref: _place_url(self._desk, ref),
            about_url=lambda ref: (
                f"/about?{urlencode({'table': ref.table, 'column': ref.column}, errors='replace')}"
            ),
            accept_url=lambda key: f"/accept?{views.asked([('table', key)]).query()}",
        )
        self._templates = environment

    def _render(self, request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
        is_part = "hx-request" in request.headers
        query = f"?{request.url.query}" if request.url.query else ""
        text = self._templates.get_template(name).render(
            layout="part.html" if is_part else "base.html",
            here=f"{request.url.path}{query}",
            at=request.url.path,
            who=request.state.who,
            key=request.state.form_key,
            source=self._desk.name,
            references=self._desk.models.references,
            progress=None if is_part else views.progress(self._desk),
            mark=None if is_part else self._desk.tally().mark,
            **values,
        )
        # a lone surrogate in a name has no UTF-8
        return HTMLResponse(text.encode("utf-8", "backslashreplace"), status)

    def failed(self, request: Request, error: Exception) -> Response:
        """Return the one line that an error of ours is."""
        line = visible(str(error))
        if "hx-request" in request.headers:
            return Response(status_code=409, headers=_said(line, bad=True))
        text = self._templates.get_template("message.html").render(line=line, here=request.url.path)
        return HTMLResponse(text.encode("utf-8", "backslashreplace"), 409)

    def tables(self, request: Request) -> Response:
        """The tables with their counts, a page of them at a time."""
        asked = request.query_params
        wanted = {name: asked.get(name, "") for name in ("q", "owner", "folder", "order")}
        todo = asked.get("todo", "") == "1"
        lines = views.table_lines(
            self._desk, wanted["q"], wanted["owner"], wanted["folder"], todo, wanted["order"]
        )
        pages = max(1, -(-len(lines) // views.PAGE))
        page = min(max(1, _whole(asked.get("page", "1"))), pages)
        base = {name: value for name, value in wanted.items() if value} | ({"todo": "1"} if todo else {})

        def link(number: int) -> str:
            return (
                f"/?{urlencode({**base, 'page': number}, errors='replace')}" if 1 <= number <= pages else ""
            )

        return self._render(
            request,
            "tables.html",
            lines=lines[(page - 1) * views.PAGE : page * views.PAGE],
            total=len(lines),
            page=page,
            pages=pages,
            previous=link(page - 1),
            following=link(page + 1),
            wanted=wanted,
            todo=todo,
            owners=views.owners(self._desk.shown.tables),
            folders=views.folders(self._desk.shown.tables),
        )

    def table(self, request: Request) -> Response:
        """One table with every column."""
        desk, key = self._desk, request.query_params.get("key", "")
        table = desk.shown.catalog.table(key) if key in desk.shown.positions else None
        if table is None:
            return self._render(request, "gone.html", 404, missing=key)
        first = max(0, _whole(request.query_params.get("from", "0")))
        first = min(first, max(0, len(table.columns) - 1)) // views.COLUMNS * views.COLUMNS
        with desk.ledgers.lent() as ledger:
            rows = list(ledger.rows(desk.name, [table.key]))
        at, tables = desk.shown.positions[key], desk.shown.tables
        return self._render(
            request,
            "table.html",
            table=table,
            places=list(views.table_places(desk, table, rows, first)),
            open=sum(one.suggestion.state == "suggested" for one in rows),
            previous_table=tables[at - 1].key if at else "",
            next_table=tables[at + 1].key if at + 1 < len(tables) else "",
            first=first,
            step=views.COLUMNS,
        )

    def listed(self, request: Request) -> Response:
        """Suggestions through a filter, a page of them at a time."""
        desk = self._desk
        asked = views.asked(request.query_params.multi_items())
        after, before = (request.query_params.get(name, "") for name in ("after", "before"))
        page, total = desk.page(asked.wanted, asked.order, after, before, views.PAGE)
        return self._render(
            request,
            "list.html",
            asked=asked,
            places=[views.place_view(desk, row.suggestion.ref, row) for row in page.rows],
            total=total,
            previous=f"/list?{asked.query(before=page.previous)}" if page.previous else "",
            following=f"/list?{asked.query(after=page.next)}" if page.next else "",
            origins=views.ORIGINS,
            owners=views.owners(desk.shown.tables),
            folders=views.folders(desk.shown.tables),
        )

    def about(self, request: Request) -> Response:
        """Where a place's text comes from: what the model is given, and what happened to it."""
        desk, ref = self._desk, _ref(request.query_params)
        with desk.ledgers.lent() as ledger:
            row, history = ledger.row(desk.name, ref), ledger.history(desk.name, ref)
        given, problem = None, ""
        try:
            given = desk.models.given(desk.shown.catalog, ref)
        except DocgenError as err:
            problem = str(err)
        return self._render(
            request, "about.html", ref=ref, row=row, history=history, given=given, problem=problem
        )

    def pulse(self, request: Request) -> Response:
        """The numbers, when they changed since the mark that the page has; else nothing."""
        tally = self._desk.tally()
        if request.query_params.get("mark", "") == str(tally.mark):
            return Response(status_code=204)
        text = self._templates.get_template("pulse.html").render(
            progress=views.progress(self._desk), mark=tally.mark
        )
        return HTMLResponse(text, headers={"HX-Trigger": "ledger-changed"})

    def accept(self, request: Request) -> Response:
        """Ask before many are accepted, with their number."""
        asked = views.asked(request.query_params.multi_items())
        return self._render(request, "confirm.html", asked=asked, meant=self._desk.meant(asked.wanted))

    def accept_all(self, request: Request, form: _Form) -> Response:
        """Accept everything open in a filter."""
        asked = views.asked(request.query_params.multi_items())
        outcome = self._desk.accept_all(asked.wanted, _whole(form.get("number", "")), request.state.who)
        return self._done(request, outcome, f"/list?{asked.query()}")

    def decide(self, request: Request, form: _Form) -> Response:
        """Accept, edit or reject one place, or take its latest decision back."""
        desk, ref, version, who = self._desk, _ref(form), _whole(form.get("version", "")), request.state.who
        if form.get("do") == "undo":
            outcome = desk.undo(ref, version, who)
        elif form.get("do") in _STATES:
            state = _STATES[form["do"]]
            outcome = desk.decide(ref, version, state, who, form.get("text", ""), form.get("why", ""))
        else:
            outcome = Outcome(0, "that is no decision")
        if "hx-request" not in request.headers:
            return self._done(request, outcome, _place_url(desk, ref))
        with desk.ledgers.lent() as ledger:
            row = ledger.row(desk.name, ref)
        note = "" if outcome.done else outcome.says
        response = self._render(
            request,
            "place.html",
            one=views.place_view(desk, ref, row, note),
            where=form.get("where", ""),
        )
        response.headers.update(_said(visible(outcome.says), bad=not outcome.done))
        return response

    def undo(self, request: Request, form: _Form) -> Response:
        """Take back what this reviewer did last."""
        return self._done(request, self._desk.undo_latest(request.state.who), "/")

    def again(self, request: Request, form: _Form) -> Response:
        """Show another text for a place; it is recorded when the reviewer takes it, as an edit."""
        desk, ref = self._desk, _ref(form)
        hint = form.get("hint", "").strip()
        found = desk.models.alternative(desk.shown.catalog, ref, form.get("model", ""), hint)
        with desk.ledgers.lent() as ledger:
            row = ledger.row(desk.name, ref)
        why = f"asked {found.model} again" + (f", told: {hint}" if hint else "")
        return self._render(
            request,
            "candidate.html",
            one=views.place_view(desk, ref, row),
            found=found,
            why=why,
            where=form.get("where", ""),
        )

    def reload(self, request: Request, form: _Form) -> Response:
        """Read the source again."""
        return self._done(request, self._desk.reload(), "/")

    def apply(self, request: Request) -> Response:
        """The page on which texts are written to the source."""
        return self._render(request, "apply.html", shown=None)

    def preview(self, request: Request) -> Response:
        """Exactly what would be written."""
        shown = self._desk.preview()
        lines, more = views.diff_lines(shown.report.preview)
        return self._render(request, "preview.html", shown=shown, lines=lines, more=more)

    def write(self, request: Request, form: _Form) -> Response:
        """Write what was previewed."""
        shown = self._desk.write(form.get("digest", ""))
        lines, more = views.diff_lines(shown.report.preview)
        says = f"wrote {count(len(shown.report.written), 'description')}" if shown.written else shown.says
        response = self._render(request, "preview.html", shown=shown, lines=lines, more=more)
        response.headers.update(_said(says, bad=not shown.written))
        return response

    def _done(self, request: Request, outcome: Outcome, place: str) -> Response:
        """Answer an action on the page as a whole: with htmx the page looks again, without it goes on somewhere."""
        if "hx-request" in request.headers:
            headers = _said(visible(outcome.says), bad=not outcome.done, changed=True)
            return Response(status_code=204, headers=headers)
        if not outcome.done:
            text = self._templates.get_template("message.html").render(line=visible(outcome.says), here=place)
            return HTMLResponse(text.encode("utf-8", "backslashreplace"), 409)
        return RedirectResponse(place, 303)


def _said(line: str, bad: bool = False, changed: bool = False) -> dict[str, str]:
    """Return the header that makes the page say a line, and look again when the ledger changed."""
    events: dict[str, Any] = {"said": {"text": line, "bad": bad}}
    if changed:
        events["looked-again"] = {}
    return {"HX-Trigger": json.dumps(events, ensure_ascii=True)}


def _table_url(key: str, first: int = 0) -> str:
    return "/table?" + urlencode({"key": key, **({"from": first} if first else {})}, errors="replace")


def _place_url(desk: Desk, ref: ColumnRef) -> str:
    """Return where a place stands on its table's page."""
    table = desk.shown.catalog.table(ref.table)
    position = table.position(ref.column) if table is not None else 0
    first = max(0, position - 1) // views.COLUMNS * views.COLUMNS
    return f"{_table_url(ref.table, first)}#{views.place_view(desk, ref, None).id}"
