"""The pages and the API, as one Starlette application."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.authentication import UnauthenticatedUser
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from service import audit
from service.alarms import alarms
from service.ledger import Ledger
from service.ledger.views import InstanceView, ReportView, StudyHistory
from service.objects import ObjectStore
from service.operations.bootstrap import open_store
from service.process.clock import Clock, utc_now
from service.refused import refused_callers
from service.security.passwords import PasswordFile
from service.settings import Settings
from service.texts import Texts, texts_in
from service.vocabulary.errors import ObjectDamaged, ObjectMissing, StoreFull, Unavailable, UndecodablePixels
from service.vocabulary.facts import CloseSource, EventKind
from service.vocabulary.report_kinds import PICTURE_KINDS
from service.web.auditor import NOT_KNOWN, PageAuditor
from service.web.list_page import ListPage
from service.web.live_events import LiveEvents
from service.web.login import Login
from service.web.marking import Forms, marked
from service.web.metrics import exposition
from service.web.pictures import heat_map_png, radiograph_png
from service.web.problem import Problem, problem_of
from service.web.security_headers import SecurityHeaders
from service.web.words import filters
from service.wording import json_value
from service.worklist import answer_of, row_of, rows_of

_UID = re.compile(r"[0-9.]{1,64}")


def create_app(settings: Settings, ledger: Ledger, trail: audit.AuditTrail, clock: Clock = utc_now) -> Starlette:
    """Return the application; its tables must be current.

    Raises
    ------
    StoreUnavailable
        When the folder of the objects cannot be used.
    SettingsInvalid
        When the file of users cannot.
    """
    auditor = PageAuditor(trail)
    say = texts_in(settings.language)
    users = PasswordFile("web.users", settings.web.users) if settings.web.users is not None else None
    site = _Site(settings, ledger, open_store(settings), auditor, clock, say, Forms(users))
    live = LiveEvents(
        ledger.reading_list.newest_event, settings.web.maximum_connections // 2, settings.web.response_timeout / 2
    )
    static = StaticFiles(directory=Path(str(files("service.web") / "static")))
    return Starlette(
        routes=[
            Route("/", site.worklist),
            Route("/studies/{uid}", site.study),
            Route("/studies/{uid}/close", site.close, methods=["POST"]),
            Route("/studies/{uid}/reopen", site.reopen, methods=["POST"]),
            Route("/events", live.answer),
            Route("/instances/{uid}.png", site.radiograph),
            Route("/reports/{uid}.png", site.heat_map),
            Route("/api/worklist", site.api_worklist),
            Route("/api/studies/{uid}", site.api_study),
            Route("/api/status", site.api_status),
            Route("/healthz", site.healthz),
            Route("/readyz", site.readyz),
            Route("/metrics", site.metrics),
            Route("/favicon.ico", lambda _: RedirectResponse("/static/icon.svg")),
            Mount("/static", static),
        ],
        middleware=_around(settings, auditor, say, users),
        exception_handlers={HTTPException: site.problem, Unavailable: site.problem},
    )


def _around(settings: Settings, auditor: PageAuditor, say: Texts, users: PasswordFile | None) -> list[Middleware]:
    """Return what stands around the handlers, the outermost first."""
    web = settings.web
    security_headers = Middleware(SecurityHeaders, names=web.names, say=say)
    if users is None:
        return [security_headers]
    return [security_headers, Middleware(Login, users=users, auditor=auditor, say=say, open_metrics=web.open_metrics)]


class _Site:
    """The handlers; plain functions, which Starlette runs in threads, for the ledger's queries block."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        store: ObjectStore,
        auditor: PageAuditor,
        clock: Clock,
        say: Texts,
        forms: Forms,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._store = store
        self._auditor = auditor
        self._clock = clock
        self._say = say
        self._list = ListPage(settings, ledger, say)
        self._forms = forms
        self._templates = Environment(
            loader=PackageLoader("service.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(filters(say))
        self._templates.globals.update(say=say, answer_of=answer_of)

    def worklist(self, request: Request) -> Response:
        values = {**self._list.values(request.query_params, self._clock()), **self._form(request)}
        if "live" in request.query_params:
            return self._page("live.html", **values)
        return self._page("worklist.html", **values, **self._list.choices())

    def study(self, request: Request) -> Response:
        history, now = self._history(request), self._clock()
        (row,) = rows_of(self._say, self._ledger.reading_list, [history.study], now)
        return self._page("study.html", history=history, row=row, now=now, **self._form(request))

    async def close(self, request: Request) -> Response:
        readings = self._ledger.readings
        return await self._mark(
            request, EventKind.STUDY_CLOSED, lambda uid, by: readings.close(uid, CloseSource.PAGE, by)
        )

    async def reopen(self, request: Request) -> Response:
        return await self._mark(request, EventKind.STUDY_REOPENED, self._ledger.readings.reopen)

    async def _mark(self, request: Request, event: EventKind, change: Callable[[str, str], bool]) -> Response:
        user, address = _viewer(request)

        def mark(fields: Mapping[str, str]) -> None:
            history = self._history(request)
            changed_at = row_of(self._say, history.study, 1, self._clock()).changed_at
            # Nobody has read what the page did not show when it was loaded.
            if event is EventKind.STUDY_CLOSED and fields.get("changed") != changed_at.isoformat():
                raise Problem(HTTPStatus.CONFLICT, "problem.study_changed")
            if change(history.study.study_instance_uid, "" if user == NOT_KNOWN else user):
                self._auditor.marked(user, address, history.versions[0].identity, event)

        return await marked(request, self._forms, user, mark)

    def _form(self, request: Request) -> dict[str, Any]:
        return {"token": self._forms.token(_viewer(request)[0])}

    def radiograph(self, request: Request) -> Response:
        instance = self._ledger.inspection.instance(_uid(request))
        if instance is None:
            raise Problem(HTTPStatus.NOT_FOUND, "problem.no_image")
        self._auditor.viewed(*_viewer(request), [instance])
        maximum = self._settings.scope.maximum_pixels
        removed_at = instance.object_removed_at
        return _picture(lambda: radiograph_png(self._store, instance.object_key, maximum), removed_at)

    def heat_map(self, request: Request) -> Response:
        report = self._ledger.inspection.report(_uid(request))
        if report is None or report.kind not in PICTURE_KINDS:
            raise Problem(HTTPStatus.NOT_FOUND, "problem.no_heat_map")
        self._auditor.viewed(*_viewer(request), self._sources(report))
        return _picture(lambda: heat_map_png(self._store, report.object_key), report.object_removed_at)

    def api_worklist(self, request: Request) -> Response:
        return JSONResponse(self._list.json(request.query_params, self._clock()))

    def api_study(self, request: Request) -> Response:
        history = self._history(request)
        row = row_of(self._say, history.study, 1, self._clock())
        return JSONResponse(
            {"notice": self._say("worklist.banner"), "answer": json_value(row.answer), **json_value(history)}
        )

    def api_status(self, _request: Request) -> Response:
        status, now = self._ledger.inspection.status(), self._clock()
        refused = json_value(refused_callers(self._say, self._ledger, now))
        return JSONResponse(
            {**json_value(status), "alarms": json_value(alarms(self._say, status, now)), "refused": refused}
        )

    def healthz(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    def readyz(self, _request: Request) -> Response:
        """Tell whether database and store answer, and whether the store would take another object.

        A failing audit trail, and a clock that was set, are told and keep nobody out.
        """
        checks = {"database": self._ledger.reading_list.count, "store": self._store.check}
        answers = {name: _answer(check) for name, check in checks.items()}
        ready = set(answers.values()) == {"ok"}
        answers["audit"] = "failing" if audit.examine(self._settings) else "ok"
        answers["clock"] = _clock_answer(self._ledger)
        return JSONResponse(answers, HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)

    def metrics(self, _request: Request) -> Response:
        fails = audit.examine(self._settings) is not None
        status, totals = self._ledger.inspection.status(), self._ledger.figures.totals()
        refused = refused_callers(self._say, self._ledger, self._clock())
        page = exposition(status, totals, self._clock, self._store.room, audit_fails=fails, refused=refused)
        return Response(page, media_type=CONTENT_TYPE_LATEST)

    def problem(self, request: Request, error: Exception) -> Response:
        """Answer a request that cannot be answered as it was asked, or not now."""
        problem = problem_of(error)
        detail = self._say(problem.code, **problem.values)
        if request.url.path.startswith("/api/"):
            return JSONResponse({"error": detail}, problem.status_code)
        title = self._say(f"problem.title.{problem.status_code}")
        return self._page("problem.html", HTTPStatus(problem.status_code), title=title, detail=detail)

    def _history(self, request: Request) -> StudyHistory:
        history = self._ledger.inspection.history(_uid(request))
        if history is None:
            raise Problem(HTTPStatus.NOT_FOUND, "problem.no_study")
        self._auditor.viewed(*_viewer(request), history.versions)
        return history

    def _sources(self, report: ReportView) -> list[InstanceView]:
        """Return the version of an image that a report is about; another may be another patient's."""
        history = self._ledger.inspection.history(report.sop_instance_uid)
        versions = history.versions if history else ()
        of = (report.source_sop_instance_uid, report.source_version)
        return [version for version in versions if (version.sop_instance_uid, version.version) == of]

    def _page(self, template: str, code: HTTPStatus = HTTPStatus.OK, **values: object) -> Response:
        return HTMLResponse(self._templates.get_template(template).render(values), code)


def _picture(render: Callable[[], bytes], removed_at: datetime | None) -> Response:
    try:
        return Response(render(), media_type="image/png")
    except ObjectMissing:
        code = "problem.pixels_missing" if removed_at is None else "problem.pixels_removed"
        raise Problem(HTTPStatus.GONE, code) from None
    except ObjectDamaged:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "problem.bytes_damaged") from None
    except UndecodablePixels:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "problem.pixels_undecodable") from None


def _clock_answer(ledger: Ledger) -> str:
    try:
        return "ok" if ledger.timekeeping.view().is_steady else "set"
    except Unavailable:
        return "unavailable"


def _answer(check: Callable[[], object]) -> str:
    try:
        check()
    except StoreFull:
        return "full"
    except Unavailable:
        return "unavailable"
    return "ok"


def _viewer(request: Request) -> tuple[str, str]:
    """Return the name of who asks, if there is a login, and the address."""
    user = request.scope.get("user", UnauthenticatedUser())
    return user.display_name or NOT_KNOWN, request.client.host if request.client else ""


def _uid(request: Request) -> str:
    uid = str(request.path_params["uid"])
    if not _UID.fullmatch(uid):
        raise Problem(HTTPStatus.NOT_FOUND, "problem.no_uid")
    return uid
