"""The pages and the API, as one Starlette application."""

import re
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path

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
from service.vocabulary.report_kinds import PICTURE_KINDS
from service.web.auditor import NOT_KNOWN, PageAuditor
from service.web.login import Login
from service.web.metrics import exposition
from service.web.pictures import heat_map_png, radiograph_png
from service.web.problem import Problem, problem_of
from service.web.security_headers import SecurityHeaders
from service.web.words import filters
from service.wording import json_value
from service.worklist import answer_of, row_of, rows

#: Studies on one page.
PAGE = 100
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
    site = _Site(settings, ledger, open_store(settings), auditor, clock, say)
    static = StaticFiles(directory=Path(str(files("service.web") / "static")))
    return Starlette(
        routes=[
            Route("/", site.worklist),
            Route("/studies/{uid}", site.study),
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
        middleware=_around(settings, auditor, say),
        exception_handlers={HTTPException: site.problem, Unavailable: site.problem},
    )


def _around(settings: Settings, auditor: PageAuditor, say: Texts) -> list[Middleware]:
    """Return what stands around the handlers, the outermost first."""
    web = settings.web
    security_headers = Middleware(SecurityHeaders, names=web.names, say=say)
    if web.users is None:
        return [security_headers]
    users = PasswordFile("web.users", web.users)
    return [security_headers, Middleware(Login, users=users, auditor=auditor, say=say, open_metrics=web.open_metrics)]


class _Site:
    """The handlers; plain functions, which Starlette runs in threads, for the ledger's queries block."""

    def __init__(
        self, settings: Settings, ledger: Ledger, store: ObjectStore, auditor: PageAuditor, clock: Clock, say: Texts
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._store = store
        self._auditor = auditor
        self._clock = clock
        self._say = say
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
        page = _number(request, "page", 1, least=1, most=100_000)
        now, status = self._clock(), self._ledger.inspection.status()
        return self._page(
            "live.html" if "live" in request.query_params else "worklist.html",
            rows=rows(self._say, self._ledger.reading_list, now, PAGE, (page - 1) * PAGE),
            status=status,
            alarms=alarms(self._say, status, now),
            refused=refused_callers(self._say, self._ledger, now),
            page=page,
            pages=max(-(-status.open_studies // PAGE), 1),
            now=now,
        )

    def study(self, request: Request) -> Response:
        history, now = self._history(request), self._clock()
        return self._page("study.html", history=history, row=row_of(self._say, history.study, 1, now), now=now)

    def radiograph(self, request: Request) -> Response:
        instance = self._ledger.inspection.instance(_uid(request))
        if instance is None:
            raise Problem(HTTPStatus.NOT_FOUND, "problem.no_image")
        self._auditor.viewed(*_viewer(request), [instance])
        maximum = self._settings.scope.maximum_pixels
        removed_at = instance.object_removed_at
        return self._picture(lambda: radiograph_png(self._store, instance.object_key, maximum), removed_at)

    def heat_map(self, request: Request) -> Response:
        report = self._ledger.inspection.report(_uid(request))
        if report is None or report.kind not in PICTURE_KINDS:
            raise Problem(HTTPStatus.NOT_FOUND, "problem.no_heat_map")
        self._auditor.viewed(*_viewer(request), self._sources(report))
        return self._picture(lambda: heat_map_png(self._store, report.object_key), report.object_removed_at)

    def api_worklist(self, request: Request) -> Response:
        limit = _number(request, "limit", PAGE, least=1, most=1000)
        offset = _number(request, "offset", 0, least=0, most=10_000_000)
        reading_list = self._ledger.reading_list
        listed = rows(self._say, reading_list, self._clock(), limit, offset)
        return JSONResponse(
            {"notice": self._say("worklist.banner"), "studies": reading_list.count(), "rows": json_value(listed)}
        )

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

    def _picture(self, render: Callable[[], bytes], removed_at: datetime | None) -> Response:
        try:
            return Response(render(), media_type="image/png")
        except ObjectMissing:
            code = "problem.pixels_missing" if removed_at is None else "problem.pixels_removed"
            raise Problem(HTTPStatus.GONE, code) from None
        except ObjectDamaged:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "problem.bytes_damaged") from None
        except UndecodablePixels:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "problem.pixels_undecodable") from None

    def _page(self, template: str, code: HTTPStatus = HTTPStatus.OK, **values: object) -> Response:
        return HTMLResponse(self._templates.get_template(template).render(values), code)


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


def _number(request: Request, name: str, default: int, *, least: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,8}", text) or not least <= int(text) <= most:
        raise Problem(HTTPStatus.BAD_REQUEST, "problem.number", name=name, least=least, most=most)
    return int(text)
