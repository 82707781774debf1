"""Who sees patients: HTTP's Basic scheme (RFC 7617) against a file of names and scrypt hashes."""

import base64
from collections.abc import Iterable
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from service.process.log import get_logger
from service.security.passwords import PasswordCheck, PasswordFile
from service.security.person import Person
from service.texts import Texts
from service.vocabulary.roles import Role
from service.web.asking import identified
from service.web.auditor import PageAuditor
from service.web.senders import SENDER

log = get_logger(__name__)

#: Answered to everybody: whether the process serves, and whether database and store answer. No figure, no patient.
_OPEN = frozenset({"/healthz", "/readyz"})
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="auscult", charset="UTF-8"'}
_LATER = {"Retry-After": "60"}


class WithoutLogin:
    """Lets every request through: all that reaches the page comes from this machine.

    Parameters
    ----------
    roles
        What everybody may do.
    """

    def __init__(self, app: ASGIApp, roles: Iterable[Role]) -> None:
        self._app = app
        self._person = Person(roles=frozenset(roles))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        await self._app(identified(scope, self._person), receive, send)


class Login:
    """Lets a request through when it brings a name and its password.

    Parameters
    ----------
    open_metrics
        Lets requests for ``/metrics`` through without.
    """

    def __init__(
        self, app: ASGIApp, users: PasswordFile, auditor: PageAuditor, *, say: Texts, open_metrics: bool
    ) -> None:
        self._app = app
        self._users = users
        self._auditor = auditor
        self._say = say
        self._open = _OPEN | {"/metrics"} if open_metrics else _OPEN

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        # Whoever has brought a sender's token needs no name.
        if scope["type"] != "http" or scope["path"] in self._open or SENDER in scope:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        presented = _credentials(request.headers.get("authorization", ""))
        if presented is None:
            await _plain(HTTPStatus.UNAUTHORIZED, self._say("problem.log_in"), _CHALLENGE)(scope, receive, send)
            return
        name, password = presented
        address = request.client.host if request.client else "an unknown address"
        # Hashing takes its time: in a thread, so that nobody else's request waits for it.
        verdict = await run_in_threadpool(self._users.verify, name, password, address)
        if verdict is PasswordCheck.RIGHT:
            await run_in_threadpool(self._auditor.logged_in, name, address)
            await self._app(identified(scope, self._users.person(name)), receive, send)
            return
        await run_in_threadpool(self._auditor.refused, address)
        if verdict is PasswordCheck.PAUSED:
            log.warning("login from %s not looked at: too many wrong passwords came from there", address)
            text = self._say("problem.too_many_passwords")
            await _plain(HTTPStatus.TOO_MANY_REQUESTS, text, _LATER)(scope, receive, send)
        else:
            # The name is what a stranger typed, and may be a password typed into the wrong field.
            log.warning("login from %s refused: web.users holds no such name with this password", address)
            text = self._say("problem.wrong_password")
            await _plain(HTTPStatus.UNAUTHORIZED, text, _CHALLENGE)(scope, receive, send)


def _credentials(header: str) -> tuple[str, bytes] | None:
    """Return the name and the password of an Authorization header, if it holds both."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return (name.decode("utf-8"), password) if colon else None
    except ValueError:  # what is not ASCII, not base64, or no UTF-8 behind it
        return None


def _plain(status: HTTPStatus, text: str, headers: dict[str, str]) -> PlainTextResponse:
    return PlainTextResponse(f"{text}\n", status_code=status.value, headers=headers)
