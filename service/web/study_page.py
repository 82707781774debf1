"""A study's page, what it shows of images and reports, and what a person does there."""

from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.ledger.views import InstanceView, ReportView, StudyHistory
from service.vocabulary.errors import ObjectDamaged, ObjectMissing, UndecodablePixels
from service.vocabulary.facts import CloseSource, EventKind
from service.vocabulary.report_kinds import PICTURE_KINDS
from service.web.asking import person_of, uid, viewer
from service.web.marking import marked
from service.web.pictures import heat_map_png, radiograph_png
from service.web.problem import Problem
from service.web.site import Site
from service.wording import json_value
from service.worklist import row_of, rows_of


class StudyPage:
    """The handlers; plain functions, which Starlette runs in threads, for the ledger's queries block."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def study(self, request: Request) -> Response:
        """Answer with the page."""
        site, history = self._site, self._history(request)
        now = site.clock()
        (row,) = rows_of(site.say, site.ledger.reading_list, [history.study], now)
        return site.page("study.html", history=history, row=row, now=now, **site.form(request))

    async def close(self, request: Request) -> Response:
        """Take the study off the list, for it was read."""
        readings = self._site.ledger.readings
        return await self._mark(
            request, EventKind.STUDY_CLOSED, lambda uid, by: readings.close(uid, CloseSource.PAGE, by)
        )

    async def reopen(self, request: Request) -> Response:
        """Put the study back on the list."""
        return await self._mark(request, EventKind.STUDY_REOPENED, self._site.ledger.readings.reopen)

    async def _mark(self, request: Request, event: EventKind, change: Callable[[str, str], bool]) -> Response:
        site, (user, address) = self._site, viewer(request)

        def mark(fields: Mapping[str, str]) -> None:
            history = self._history(request)
            changed_at = row_of(site.say, history.study, 1, site.clock()).changed_at
            # Nobody has read what the page did not show when it was loaded.
            if event is EventKind.STUDY_CLOSED and fields.get("changed") != changed_at.isoformat():
                raise Problem(HTTPStatus.CONFLICT, "problem.study_changed")
            if change(history.study.study_instance_uid, person_of(request.scope).name):
                site.auditor.marked(user, address, history.versions[0].identity, event)

        return await marked(request, site.forms, user, mark)

    def radiograph(self, request: Request) -> Response:
        """Answer with an image as a viewer would show it."""
        site = self._site
        instance = site.ledger.inspection.instance(uid(request))
        if instance is None:
            raise Problem(HTTPStatus.NOT_FOUND, "problem.no_image")
        site.auditor.viewed(*viewer(request), [instance])
        maximum = site.settings.scope.maximum_pixels
        return _picture(lambda: radiograph_png(site.store, instance.object_key, maximum), instance.object_removed_at)

    def heat_map(self, request: Request) -> Response:
        """Answer with a heat map as it was sent."""
        site = self._site
        report = site.ledger.inspection.report(uid(request))
        if report is None or report.kind not in PICTURE_KINDS:
            raise Problem(HTTPStatus.NOT_FOUND, "problem.no_heat_map")
        site.auditor.viewed(*viewer(request), self._sources(report))
        return _picture(lambda: heat_map_png(site.store, report.object_key), report.object_removed_at)

    def api_study(self, request: Request) -> Response:
        """Answer with all that the ledger knows of the study."""
        site, history = self._site, self._history(request)
        row = row_of(site.say, history.study, 1, site.clock())
        return JSONResponse(
            {"notice": site.say("worklist.banner"), "answer": json_value(row.answer), **json_value(history)}
        )

    def _history(self, request: Request) -> StudyHistory:
        history = self._site.ledger.inspection.history(uid(request))
        if history is None:
            raise Problem(HTTPStatus.NOT_FOUND, "problem.no_study")
        self._site.auditor.viewed(*viewer(request), history.versions)
        return history

    def _sources(self, report: ReportView) -> list[InstanceView]:
        """Return the version of an image that a report is about; another may be another patient's."""
        history = self._site.ledger.inspection.history(report.sop_instance_uid)
        versions = history.versions if history else ()
        of = (report.source_sop_instance_uid, report.source_version)
        return [version for version in versions if (version.sop_instance_uid, version.version) == of]


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
