"""What a person does about a study: each a form of its page, by a role, in the history and in the audit trail."""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from service.ledger import Which
from service.ledger.views import InstanceView, StudyHistory
from service.operations.wake import Task, waker
from service.vocabulary.facts import CloseSource, EventKind, Opinion
from service.vocabulary.findings import Finding
from service.web.asking import person_of, uid, viewer
from service.web.contract import TEXT, form
from service.web.marking import marked
from service.web.problem import Problem
from service.web.site import Site
from service.worklist import row_of

#: Characters of a comment.
_LONGEST = 500

#: What the form of an opinion has.
OPINION_FORM = form(
    {"opinion": {"enum": list(Opinion)}, "version": TEXT},
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.CONFLICT,
    finding={"enum": ["", *Finding]},
    comment=TEXT,
)

#: Does something about a study that a form asks for, in the name of a person; returns whether it was news.
_Change = Callable[[StudyHistory, Mapping[str, str], str], bool]


class StudyActions:
    """The handlers of the forms."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._ledger = site.ledger
        self._waker = waker(site.settings)

    async def close(self, request: Request) -> Response:
        """Take the study off the list, for it was read."""
        return await self._do(request, EventKind.STUDY_CLOSED, self._close)

    async def reopen(self, request: Request) -> Response:
        """Put the study back on the list."""
        readings = self._ledger.readings
        return await self._do(
            request,
            EventKind.STUDY_REOPENED,
            lambda history, _, by: readings.reopen(history.study.study_instance_uid, by),
        )

    async def feedback(self, request: Request) -> Response:
        """Keep what a person says of the result of an image."""
        named = uid(request)
        return await self._do(
            request,
            EventKind.FEEDBACK_GIVEN,
            lambda history, fields, by: self._feedback(_image(history, named, fields), fields, by),
            Task.DELIVER,
        )

    async def reanalyse(self, request: Request) -> Response:
        """Have the study's images analysed again."""
        remedies, is_kept = self._ledger.remedies, self._site.store.holds
        return await self._do(
            request,
            EventKind.REANALYSIS_ASKED,
            lambda history, _, by: remedies.reanalyse(Which(history.study.study_instance_uid), is_kept, by) > 0,
            Task.INFER,
        )

    async def retry(self, request: Request) -> Response:
        """Start again what was given up of the study."""
        remedies = self._ledger.remedies
        return await self._do(
            request,
            EventKind.RETRIED,
            lambda history, _, __: remedies.retry(history.study.study_instance_uid) > 0,
            *Task,
        )

    async def release(self, request: Request) -> Response:
        """Let the study go that is on hold."""
        remedies = self._ledger.remedies
        return await self._do(
            request,
            EventKind.STUDY_RELEASED,
            lambda history, _, by: remedies.release(history.study.study_instance_uid, by),
            *Task,
        )

    async def _do(self, request: Request, event: EventKind, change: _Change, *tasks: Task) -> Response:
        site, (user, address) = self._site, viewer(request)

        def do(fields: Mapping[str, str]) -> None:
            history = site.history(request)
            if change(history, fields, person_of(request.scope).name):
                site.auditor.marked(user, address, history.versions[0].identity, event)
                for task in tasks:
                    self._waker.wake(task)

        return await marked(request, site.forms, user, do)

    def _close(self, history: StudyHistory, fields: Mapping[str, str], by: str) -> bool:
        changed_at = row_of(self._site.say, history.study, 1, self._site.clock()).changed_at
        # Nobody has read what the page did not show when it was loaded.
        if fields.get("changed") != changed_at.isoformat():
            raise Problem(HTTPStatus.CONFLICT, "problem.study_changed")
        return self._ledger.readings.close(history.study.study_instance_uid, CloseSource.PAGE, by)

    def _feedback(self, image: InstanceView, fields: Mapping[str, str], by: str) -> bool:
        try:
            opinion = Opinion(fields.get("opinion", ""))
            finding = Finding(fields["finding"]) if fields.get("finding") else None
        except ValueError:
            raise Problem(HTTPStatus.BAD_REQUEST, "problem.no_opinion") from None
        return self._ledger.feedback.give(
            image.sop_instance_uid,
            image.version,
            opinion,
            finding=finding,
            comment=fields.get("comment", "").strip()[:_LONGEST],
            by=by,
            withdraws=self._site.settings.feedback.withdraw_flag,
        )


def _image(history: StudyHistory, named: str, fields: Mapping[str, str]) -> InstanceView:
    """Return the image that a form is about, in the version that its page showed."""
    for view in history.study.instances:
        if view.sop_instance_uid == named and view.result is not None:
            if fields.get("version") == str(view.version):
                return view
            break
    raise Problem(HTTPStatus.CONFLICT, "problem.study_changed")
