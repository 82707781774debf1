"""What a request says of itself: who asks, from where, and about what."""

import re
from http import HTTPStatus

from starlette.requests import Request
from starlette.types import Scope

from service.security.person import Person
from service.web.auditor import NOT_KNOWN
from service.web.problem import Problem

#: What a path may name.
UID = re.compile(r"[0-9.]{1,64}")


def identified(scope: Scope, person: Person) -> Scope:
    """Return a request's scope with the person who asks."""
    return {**scope, "auscult.person": person}


def person_of(scope: Scope) -> Person:
    """Return the person who asks; nobody, who may do nothing, where no login said who it is."""
    person = scope.get("auscult.person")
    return person if isinstance(person, Person) else Person()


def viewer(request: Request) -> tuple[str, str]:
    """Return the name of who asks, as the audit trail knows it, and the address."""
    return person_of(request.scope).name or NOT_KNOWN, request.client.host if request.client else ""


def uid(request: Request) -> str:
    """Return the UID in a request's path.

    Raises
    ------
    Problem
        When it is none.
    """
    named = str(request.path_params["uid"])
    if not UID.fullmatch(named):
        raise Problem(HTTPStatus.NOT_FOUND, "problem.no_uid")
    return named
