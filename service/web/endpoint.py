"""What the page answers: each endpoint with the role that it needs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from service.texts import Sentence
from service.texts.catalogue import code_of
from service.vocabulary.roles import Role
from service.web.asking import person_of
from service.web.contract import Contract
from service.web.problem import Problem


@dataclass(frozen=True)
class Endpoint:
    """A path, what answers it, and who may ask: the one way by which anything is reached.

    Attributes
    ----------
    handler
        A plain function runs in a thread, where it may ask the ledger; a coroutine function must not block.
    role
        The role without which it is answered with 403; None for what is open to everybody, without a login too.
    contract
        What it takes and answers, for its document.
    """

    path: str
    handler: Callable[..., Any]
    role: Role | None = Role.READER
    method: str = "GET"
    contract: Contract = field(default_factory=Contract)

    def route(self) -> Route:
        """Return Starlette's route to it."""
        needs = [] if self.role is None else [Middleware(_Needs, role=self.role)]
        return Route(self.path, self.handler, methods=[self.method], middleware=needs)


def is_for_programs(path: str) -> bool:
    """Return whether problems at a path are told as JSON."""
    return path.startswith(("/api/", "/dicomweb/"))


class _Needs:
    """Lets a person through who has a role."""

    def __init__(self, app: ASGIApp, role: Role) -> None:
        self._app = app
        self._role = role

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request.

        Raises
        ------
        Problem
            When the person who asks has not the role.
        """
        if not person_of(scope).may(self._role):
            raise Problem(HTTPStatus.FORBIDDEN, "problem.no_role", role=Sentence(code_of(self._role)))
        await self._app(scope, receive, send)
