"""A study's page, and what it shows of images and reports."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from typing import get_type_hints
from urllib.parse import quote

from pydicom.errors import InvalidDicomError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from service.ledger.views import InstanceView, ReportView, StudyHistory, StudyView
from service.report.reading import report_lines
from service.vocabulary.errors import ObjectDamaged, ObjectMissing, UndecodablePixels
from service.vocabulary.facts import Flag, Opinion
from service.vocabulary.findings import Finding, Outcome
from service.vocabulary.report_kinds import PICTURE_KINDS, STUDY_KINDS, ReportKind
from service.vocabulary.states import DeliveryState, State
from service.web.asking import uid, viewer
from service.web.contract import Schema
from service.web.pictures import activation_png, grey_values, heat_map_png, radiograph_png
from service.web.problem import Problem
from service.web.site import Site
from service.wording import json_value, order_in_words
from service.worklist import Answer, row_of, rows_of

_VERSION = re.compile(r"[1-9][0-9]{0,8}")
#: What an address of an image's pixels may say: the version that is meant.
QUERY: Mapping[str, Schema] = {"version": {"type": "integer", "minimum": 1}}
#: Doubts under which no heat map is shown.
_WITHHOLDING = (Flag.ACTIVATION_OFF_LUNGS, Flag.LUNG_FIELD_NOT_FOUND)

#: What stands in the JSON.
MEMBERS = {"notice": str, "answer": Answer, **get_type_hints(StudyHistory)}


class StudyPage:
    """The handlers; plain functions, which Starlette runs in threads, for the ledger's queries block."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def study(self, request: Request) -> Response:
        """Answer with the page."""
        site = self._site
        history = site.history(request)
        now = site.clock()
        (row,) = rows_of(site.say, site.ledger.reading_list, [history.study], now)
        priors = site.ledger.priors.of(history.study)
        site.auditor.viewed(*viewer(request), [view for prior in priors for view in prior.instances])
        feedback = site.ledger.feedback.of_study(history.study.study_instance_uid)
        return site.page(
            "study.html",
            history=history,
            row=row,
            now=now,
            priors=[row_of(site.say, prior, 1, now) for prior in priors],
            feedback=feedback,
            orders=[(order.heard_at, order_in_words(site.say, order)) for order in history.orders],
            report_text=self._newest_text(history.reports),
            viewer_address=_viewer_address(site.settings.web.viewer, history.study),
            opinions=list(Opinion),
            findings=list(Finding),
            withdraws=site.settings.feedback.withdraw_flag,
            can_retry=_has_failed(history),
            can_reanalyse=any(view.object_removed_at is None for view in history.study.instances),
            withholding=_WITHHOLDING,
            **site.form(request),
        )

    def radiograph(self, request: Request) -> Response:
        """Answer with an image as a viewer would show it."""
        site = self._site
        instance = self._instance(request)
        maximum = site.settings.scope.maximum_pixels
        return _picture(lambda: radiograph_png(site.store, instance.object_key, maximum), instance.object_removed_at)

    def grey(self, request: Request) -> Response:
        """Answer with an image's grey values, which the page's script windows; a header says what they are."""
        site, instance = self._site, self._instance(request)
        maximum = site.settings.scope.maximum_pixels

        def answer() -> Response:
            values = grey_values(site.store, instance.object_key, maximum)
            headers = {"Auscult-Grey": json.dumps(values.facts)}
            return Response(values.codes, media_type="application/octet-stream", headers=headers)

        return _rendered(answer, instance.object_removed_at)

    def activation(self, request: Request) -> Response:
        """Answer with the heat map of a positive, to be laid over its radiograph."""
        site, instance = self._site, self._instance(request)
        recorded = site.ledger.results.latest(instance.sop_instance_uid, instance.version)
        is_positive = instance.result is not None and instance.result.outcome is Outcome.POSITIVE
        if recorded is None or not is_positive:
            raise Problem(HTTPStatus.NOT_FOUND, "problem.no_heat_map")
        maximum, cam = site.settings.scope.maximum_pixels, recorded.prediction.cam

        def answer() -> Response:
            picture = activation_png(site.store, instance.object_key, maximum, cam)
            if picture is None:
                raise Problem(HTTPStatus.NOT_FOUND, "problem.map_withheld")
            return Response(picture, media_type="image/png")

        return _rendered(answer, instance.object_removed_at)

    def report_file(self, request: Request) -> Response:
        """Answer with a report as the DICOM file that was sent."""
        report, content = self._report(request)
        headers = {"Content-Disposition": f'attachment; filename="{report.sop_instance_uid}.dcm"'}
        return Response(content, media_type="application/dicom", headers=headers)

    def report_text(self, request: Request) -> Response:
        """Answer with a report's text."""
        report, content = self._report(request)
        if report.kind in PICTURE_KINDS:
            raise Problem(HTTPStatus.NOT_FOUND, "problem.no_text")
        return _rendered(lambda: PlainTextResponse("\n".join(report_lines(content)) + "\n"), report.object_removed_at)

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
        site = self._site
        history = site.history(request)
        row = row_of(site.say, history.study, 1, site.clock())
        return JSONResponse(
            {"notice": site.say("worklist.banner"), "answer": json_value(row.answer), **json_value(history)}
        )

    def _instance(self, request: Request) -> InstanceView:
        """Return the image that a path names, which the audit trail is told: a page asks for the version it shows."""
        version = request.query_params.get("version")
        is_number = version is None or _VERSION.fullmatch(version)
        number = int(version) if version and is_number else None
        instance = self._site.ledger.inspection.instance(uid(request), number) if is_number else None
        if instance is None:
            raise Problem(HTTPStatus.NOT_FOUND, "problem.no_image")
        self._site.auditor.viewed(*viewer(request), [instance])
        return instance

    def _report(self, request: Request) -> tuple[ReportView, bytes]:
        """Return the report that a path names, which the audit trail is told, and its file."""
        site = self._site
        report = site.ledger.inspection.report(uid(request))
        if report is None:
            raise Problem(HTTPStatus.NOT_FOUND, "problem.no_report")
        site.auditor.viewed(*viewer(request), self._sources(report))
        try:
            return report, site.store.read(report.object_key)
        except ObjectMissing:
            raise Problem(HTTPStatus.GONE, "problem.report_removed") from None
        except ObjectDamaged:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "problem.bytes_damaged") from None

    def _newest_text(self, reports: Sequence[ReportView]) -> tuple[ReportView, Sequence[str]] | None:
        """Return the text report that was built last, and its lines; None where there is none to read."""
        kinds = (ReportKind.TEXT_SR, ReportKind.STUDY_TEXT_SR)
        texts = [report for report in reports if report.kind in kinds and report.object_removed_at is None]
        with suppress(ObjectMissing, ObjectDamaged, InvalidDicomError):
            if texts:
                return texts[-1], report_lines(self._site.store.read(texts[-1].object_key))
        return None

    def _sources(self, report: ReportView) -> list[InstanceView]:
        """Return the version of an image that a report is about; another may be another patient's.

        A report about a whole study is about all its images, which agree on the patient.
        """
        history = self._site.ledger.inspection.history(report.sop_instance_uid)
        versions = history.versions if history else ()
        if history and report.kind in STUDY_KINDS:
            return list(history.study.instances)
        of = (report.source_sop_instance_uid, report.source_version)
        return [version for version in versions if (version.sop_instance_uid, version.version) == of]


def _viewer_address(template: str, study: StudyView) -> str:
    """Return the address of a study in the site's viewer; empty without one, or where nobody knows whose it is."""
    if not template or study.hold is not None or not study.instances:
        return ""
    identity = study.instances[-1].identity
    return template.format(
        study_instance_uid=quote(study.study_instance_uid, safe=""),
        accession_number=quote(identity.accession_number, safe=""),
        patient_id=quote(identity.patient_id, safe=""),
    )


def _has_failed(history: StudyHistory) -> bool:
    """Return whether something of a study was given up that a person can start again."""
    deliveries = [item.state for report in history.reports for item in report.deliveries]
    told = [message.state for message in history.messages]
    failed = any(view.state is State.FAILED for view in history.study.instances)
    return failed or DeliveryState.DEAD in (*deliveries, *told)


def _picture(render: Callable[[], bytes], removed_at: datetime | None) -> Response:
    return _rendered(lambda: Response(render(), media_type="image/png"), removed_at)


def _rendered(answer: Callable[[], Response], removed_at: datetime | None) -> Response:
    try:
        return answer()
    except ObjectMissing:
        code = "problem.pixels_missing" if removed_at is None else "problem.pixels_removed"
        raise Problem(HTTPStatus.GONE, code) from None
    except (ObjectDamaged, InvalidDicomError):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "problem.bytes_damaged") from None
    except UndecodablePixels:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "problem.pixels_undecodable") from None
