"""What every page is made from: the site's parts, its templates, and who asks for what."""

import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.authentication import UnauthenticatedUser
from starlette.requests import Request
from starlette.responses import HTMLResponse

from service.ledger import Ledger
from service.objects import ObjectStore
from service.process.clock import Clock
from service.settings import Settings
from service.texts import Texts
from service.web.auditor import NOT_KNOWN, PageAuditor
from service.web.marking import Forms
from service.web.problem import Problem
from service.web.words import filters
from service.worklist import answer_of

_UID = re.compile(r"[0-9.]{1,64}")


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
    _templates: Environment = field(init=False)

    def __post_init__(self) -> None:
        templates = Environment(
            loader=PackageLoader("service.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        templates.filters.update(filters(self.say))
        templates.globals.update(say=self.say, answer_of=answer_of)
        object.__setattr__(self, "_templates", templates)

    def page(self, template: str, code: HTTPStatus = HTTPStatus.OK, **values: object) -> HTMLResponse:
        """Return a page made of a template."""
        return HTMLResponse(self._templates.get_template(template).render(values), code)

    def form(self, request: Request) -> dict[str, Any]:
        """Return what a page's forms need."""
        return {"token": self.forms.token(viewer(request)[0])}


def viewer(request: Request) -> tuple[str, str]:
    """Return the name of who asks, if there is a login, and the address."""
    user = request.scope.get("user", UnauthenticatedUser())
    return user.display_name or NOT_KNOWN, request.client.host if request.client else ""


def uid(request: Request) -> str:
    """Return the UID in a request's path.

    Raises
    ------
    Problem
        When it is none.
    """
    named = str(request.path_params["uid"])
    if not _UID.fullmatch(named):
        raise Problem(HTTPStatus.NOT_FOUND, "problem.no_uid")
    return named
