"""What every page is made from: the site's parts and its templates."""

from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from service.ledger import Ledger
from service.ledger.views import StudyHistory
from service.objects import ObjectStore
from service.process.clock import Clock
from service.settings import Settings
from service.texts import Texts
from service.vocabulary.roles import Role
from service.web.asking import person_of, uid, viewer
from service.web.auditor import PageAuditor
from service.web.marking import Forms
from service.web.problem import Problem
from service.web.words import filters
from service.worklist import answer_of


@dataclass(frozen=True)
class Site:
    """What the handlers share."""

    settings: Settings
    ledger: Ledger
    store: ObjectStore
    auditor: PageAuditor
    clock: Clock
    say: Texts
    forms: Forms

    def page(self, template: str, code: HTTPStatus = HTTPStatus.OK, **values: object) -> HTMLResponse:
        """Return a page made of a template."""
        return HTMLResponse(_templates(self.say).get_template(template).render(values), code)

    def history(self, request: Request) -> StudyHistory:
        """Return what the ledger knows of the study that a path names, which the audit trail is told.

        Raises
        ------
        Problem
            When it knows none.
        """
        history = self.ledger.inspection.history(uid(request))
        if history is None:
            raise Problem(HTTPStatus.NOT_FOUND, "problem.no_study")
        self.auditor.viewed(*viewer(request), history.versions)
        return history

    def form(self, request: Request) -> dict[str, Any]:
        """Return what a page's forms need: their token, and who asks, for a form is shown to those who may use it."""
        return {"token": self.forms.token(viewer(request)[0]), "person": person_of(request.scope)}


@cache
def _templates(say: Texts) -> Environment:
    """Return the templates in a language; a process compiles each of them once."""
    templates = Environment(
        loader=PackageLoader("service.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(filters(say))
    templates.globals.update(say=say, answer_of=answer_of, roles=Role)
    return templates
