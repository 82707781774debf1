"""The pages and the API, as one Starlette application."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import get_type_hints

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from service import audit
from service.alarms import Alarm, alarms_of
from service.ledger import Ledger
from service.ledger.views import StatusView
from service.operations.bootstrap import open_store
from service.process.clock import Clock, utc_now
from service.refused import RefusedCaller, refused_callers
from service.settings import Settings
from service.texts import texts_in
from service.vocabulary.errors import StoreFull, Unavailable
from service.vocabulary.roles import Role
from service.web import machines_page, study_page, turnaround_page
from service.web.administration_page import AdministrationPage
from service.web.agreement_page import AgreementPage
from service.web.asking import viewer
from service.web.auditor import PageAuditor
from service.web.contract import TEXT, Contract, form, json_answer, page, stored
from service.web.endpoint import Endpoint, is_for_programs
from service.web.list_address import QUERY, address_of
from service.web.list_page import LISTED, LISTED_QUERY, ListPage
from service.web.live_events import LiveEvents
from service.web.machines_page import MachinesPage
from service.web.marking import Forms
from service.web.metrics import exposition
from service.web.openapi import document_endpoint
from service.web.problem import problem_of
from service.web.security_headers import SecurityHeaders
from service.web.senders import Senders, TokenLogin
from service.web.sign_in.ways_in import WaysIn
from service.web.site import Site
from service.web.store_instances import store_endpoints
from service.web.study_actions import OPINION_FORM, StudyActions
from service.web.study_page import StudyPage
from service.web.turnaround_figures import TurnaroundFigures
from service.web.turnaround_page import TurnaroundPage
from service.wording import json_value

_CLOSING = form({"changed": TEXT}, HTTPStatus.CONFLICT)
_STATUS = {**get_type_hints(StatusView), "alarms": list[Alarm], "refused": list[RefusedCaller]}
_READINESS = replace(
    json_answer(dict.fromkeys(("database", "store", "audit", "clock"), str)),
    statuses=(HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE),
)
_METRICS = Contract(("text/plain",))


def create_app(settings: Settings, ledger: Ledger, trail: audit.AuditTrail, clock: Clock = utc_now) -> Starlette:
    """Return the application; its tables must be current.

    Raises
    ------
    StoreUnavailable
        When the folder of the objects cannot be used.
    SettingsInvalid
        When the file of users or of a sender's token cannot.
    """
    store, senders = open_store(settings), Senders(settings.web.senders)
    forms = Forms(partial(ledger.site_keys.of, "forms"))
    site = Site(settings, ledger, store, PageAuditor(trail), clock, texts_in(settings.language), forms)
    ways_in, common = WaysIn(site), _Common(site)
    live = LiveEvents(
        ledger.reading_list.newest_event,
        settings.web.maximum_connections // 2,
        settings.web.response_timeout / 2,
        lambda request: site.auditor.listed(*viewer(request), "/events", ""),
    )
    endpoints = [*_endpoints(site, common, live), *AdministrationPage(site).endpoints, *ways_in.endpoints]
    served = [*endpoints, *store_endpoints(settings, ledger, trail, store, senders)]
    static = StaticFiles(directory=Path(str(files("service.web") / "static")))
    return Starlette(
        routes=[
            *(endpoint.route() for endpoint in served),
            document_endpoint(served, site.say("worklist.banner"), ways_in.cookie).route(),
            Route("/favicon.ico", lambda _: RedirectResponse("/static/icon.svg")),
            Mount("/static", static),
        ],
        middleware=_around(site, senders, ways_in.login(frozenset(one.path for one in endpoints if one.role is None))),
        exception_handlers={HTTPException: common.problem, Unavailable: common.problem},
    )


def _endpoints(site: Site, common: "_Common", live: LiveEvents) -> list[Endpoint]:
    """Return all that is answered; what changes something names the role that may do so."""
    study, actions, turnaround = StudyPage(site), StudyActions(site), TurnaroundPage(site)
    machines = MachinesPage(site)
    listed = json_answer(LISTED, LISTED_QUERY, HTTPStatus.BAD_REQUEST)
    turnarounds = json_answer(turnaround_page.MEMBERS, turnaround_page.QUERY)
    return [
        Endpoint("/", common.worklist, contract=page(QUERY, HTTPStatus.BAD_REQUEST)),
        Endpoint("/studies/{uid}", study.study),
        Endpoint("/studies/{uid}/close", actions.close, Role.READER, "POST", _CLOSING),
        Endpoint("/studies/{uid}/reopen", actions.reopen, Role.READER, "POST", form()),
        Endpoint("/studies/{uid}/reanalyse", actions.reanalyse, Role.ADMINISTRATOR, "POST", form()),
        Endpoint("/studies/{uid}/retry", actions.retry, Role.ADMINISTRATOR, "POST", form()),
        Endpoint("/studies/{uid}/release", actions.release, Role.ADMINISTRATOR, "POST", form()),
        Endpoint("/instances/{uid}/feedback", actions.feedback, Role.RADIOLOGIST, "POST", OPINION_FORM),
        Endpoint("/turnaround", turnaround.turnaround, contract=page(turnaround_page.QUERY)),
        Endpoint("/agreement", AgreementPage(site).show),
        Endpoint("/machines", machines.machines),
        Endpoint("/machines/{number}/shadow", machines.put_in_shadow, Role.ADMINISTRATOR, "POST", form()),
        Endpoint("/events", live.answer, contract=Contract(("text/event-stream",))),
        Endpoint("/instances/{uid}.png", study.radiograph, contract=stored("image/png", study_page.QUERY)),
        Endpoint("/instances/{uid}/grey", study.grey, contract=stored("application/octet-stream", study_page.QUERY)),
        Endpoint("/instances/{uid}/activation.png", study.activation, contract=stored("image/png", study_page.QUERY)),
        Endpoint("/reports/{uid}.png", study.heat_map, contract=stored("image/png")),
        Endpoint("/reports/{uid}.dcm", study.report_file, contract=stored("application/dicom")),
        Endpoint("/reports/{uid}.txt", study.report_text, contract=stored("text/plain")),
        Endpoint("/api/worklist", common.api_worklist, contract=listed),
        Endpoint("/api/studies/{uid}", study.api_study, contract=json_answer(study_page.MEMBERS)),
        Endpoint("/api/status", common.api_status, contract=json_answer(_STATUS)),
        Endpoint("/api/turnaround", turnaround.api_turnaround, contract=turnarounds),
        Endpoint("/api/machines", machines.api_machines, contract=json_answer(machines_page.MEMBERS)),
        Endpoint("/healthz", common.healthz, None, contract=json_answer({"status": str})),
        Endpoint("/readyz", common.readyz, None, contract=_READINESS),
        Endpoint("/metrics", common.metrics, None if common.has_open_metrics else Role.READER, contract=_METRICS),
    ]


def _around(site: Site, senders: Senders, login: Middleware) -> list[Middleware]:
    """Return what stands around the handlers, the outermost first."""
    web, note = site.settings.web, site.ledger.refusals.note
    found = [Middleware(SecurityHeaders, names=web.names, say=site.say)]
    if web.senders:
        found.append(Middleware(TokenLogin, senders=senders, auditor=site.auditor, say=site.say, note=note))
    return [*found, login]


class _Common:
    """The list, and what programs ask; plain functions, which Starlette runs in threads, for they block."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._settings, self._ledger, self._say, self._clock = site.settings, site.ledger, site.say, site.clock
        self._list = ListPage(site.settings, site.ledger, site.say)

    def worklist(self, request: Request) -> Response:
        """Answer with the list, or with the part of it that keeps itself current."""
        self._note_list(request)
        values = {**self._list.values(request.query_params, self._clock()), **self._site.form(request)}
        if "live" in request.query_params:
            return self._site.page("live.html", **values)
        return self._site.page("worklist.html", **values, **self._list.choices(values["address"].shelf))

    def api_worklist(self, request: Request) -> Response:
        """Answer with the rows of the list."""
        self._note_list(request)
        return JSONResponse(self._list.json(request.query_params, self._clock()))

    def _note_list(self, request: Request) -> None:
        address = address_of(request.query_params)
        # What was searched for may be a name; that it was is enough.
        filters = replace(address, text="(text)" if address.text else "").query
        self._site.auditor.listed(*viewer(request), request.url.path, filters)

    def api_status(self, _request: Request) -> Response:
        """Answer with counts over the whole ledger, and with what a person has to see to."""
        status, now = self._ledger.inspection.status(), self._clock()
        refused = json_value(refused_callers(self._say, self._ledger, now))
        found = alarms_of(self._say, self._ledger, self._settings.turnaround, status, now)
        return JSONResponse({**json_value(status), "alarms": json_value(found), "refused": refused})

    def healthz(self, _request: Request) -> Response:
        """Tell that the process serves."""
        return JSONResponse({"status": "ok"})

    def readyz(self, _request: Request) -> Response:
        """Tell whether database and store answer, and whether the store would take another object.

        A failing audit trail, and a clock that was set, are told and keep nobody out.
        """
        checks = {"database": self._ledger.reading_list.count, "store": self._site.store.check}
        answers = {name: _answer(check) for name, check in checks.items()}
        ready = set(answers.values()) == {"ok"}
        answers["audit"] = "failing" if audit.examine(self._settings) else "ok"
        answers["clock"] = _clock_answer(self._ledger)
        return JSONResponse(answers, HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)

    @property
    def has_open_metrics(self) -> bool:
        return self._settings.web.open_metrics

    def metrics(self, _request: Request) -> Response:
        """Answer a monitor in Prometheus' text format."""
        fails = audit.examine(self._settings) is not None
        status, totals = self._ledger.inspection.status(), self._ledger.figures.totals()
        refused = refused_callers(self._say, self._ledger, self._clock())
        recent = self._ledger.turnarounds.by_source(timedelta(hours=2))
        wanted = self._settings.turnaround
        turnarounds = TurnaroundFigures(recent, wanted.targets, wanted.unread_targets)
        page = exposition(
            status,
            totals,
            self._clock,
            self._site.store.room,
            audit_fails=fails,
            refused=refused,
            turnarounds=turnarounds,
        )
        return Response(page, media_type=CONTENT_TYPE_LATEST)

    def problem(self, request: Request, error: Exception) -> Response:
        """Answer a request that cannot be answered as it was asked, or not now."""
        problem = problem_of(error)
        detail = self._say(problem.code, **problem.values)
        if is_for_programs(request.url.path):
            return JSONResponse({"error": detail}, problem.status_code, problem.headers)
        title = self._say(f"problem.title.{problem.status_code}")
        return self._site.page("problem.html", HTTPStatus(problem.status_code), title=title, detail=detail)


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
