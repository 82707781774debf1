"""Who may store instances over HTTP: by a token of its own (RFC 6750), or by a login of the page's users."""

import hashlib
import hmac
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import ip_address

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from service.process.log import get_logger
from service.security.reloading import Reloading
from service.settings import SenderSettings
from service.settings.secret_files import read_password
from service.texts import Texts
from service.vocabulary.errors import SettingsInvalid
from service.vocabulary.refusals import Refusal, RefusalReason
from service.vocabulary.roles import SignInWay
from service.web.asking import person_of
from service.web.auditor import PageAuditor

log = get_logger(__name__)

#: What a request without a login is told to bring.
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="auscult"'}
#: Where a request's scope names the sender whose token it brought.
SENDER = "auscult.sender"
#: Where instances are stored, and nothing else is.
STORE_PATH = "/dicomweb/studies"
_FEWEST_CHARACTERS = 20


class Senders:
    """Knows the senders of the settings.

    Raises
    ------
    SettingsInvalid
        When the file of a token cannot be used.
    """

    def __init__(self, senders: tuple[SenderSettings, ...]) -> None:
        self._by_user = {sender.user: sender for sender in senders if sender.user is not None}
        self._tokens = [(_token(sender), sender) for sender in senders if sender.token_file is not None]

    def by_token(self, token: str) -> SenderSettings | None:
        """Return whose token it is, in the same time for each that is nobody's."""
        digest = hashlib.sha256(token.encode()).digest()
        found = [sender for own, sender in self._tokens if hmac.compare_digest(own.current(), digest)]
        return found[0] if found else None

    def of(self, request: Request) -> SenderSettings | None:
        """Return who sends a request that has logged in, if that may store from where it is."""
        person = person_of(request.scope)
        sender: SenderSettings | None = request.scope.get(SENDER)
        # A name in the file of users: the provider's, a proxy's or a token's of the same name is another's.
        if sender is None and person.way is SignInWay.PASSWORD:
            sender = self._by_user.get(person.name)
        allowed = sender.allowed_addresses if sender is not None else ()
        address = ip_address(request.client.host if request.client else "0.0.0.0")  # noqa: S104 - nobody's address
        return sender if not allowed or any(address in network for network in allowed) else None


class TokenLogin:
    """Lets a request to store through that brings a sender's token; whoever brings none is left to the next.

    Parameters
    ----------
    note
        Called with each that is not let through.
    """

    def __init__(
        self, app: ASGIApp, senders: Senders, auditor: PageAuditor, *, say: Texts, note: Callable[[Refusal], None]
    ) -> None:
        self._app = app
        self._senders = senders
        self._auditor = auditor
        self._say = say
        self._note = note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or not is_to_store(scope["path"]):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            await self._app(scope, receive, send)
            return
        address = request.client.host if request.client else ""
        # It reads a file that may be new.
        sender = await run_in_threadpool(self._senders.by_token, token.strip())
        if sender is None:
            await run_in_threadpool(self._auditor.refused, address)
            self._note(Refusal(RefusalReason.SENDER, address))
            log.warning("a request to store from %s refused: no sender of web.senders has its token", address)
            text = f"{self._say('problem.wrong_token')}\n"
            await PlainTextResponse(text, HTTPStatus.UNAUTHORIZED, CHALLENGE)(scope, receive, send)
            return
        await run_in_threadpool(self._auditor.logged_in, sender.ae_title, address)
        await self._app({**scope, SENDER: sender}, receive, send)


def is_to_store(path: str) -> bool:
    """Return whether a path is one to which instances are sent."""
    return path == STORE_PATH or path.startswith(f"{STORE_PATH}/")


def _token(sender: SenderSettings) -> Reloading[bytes]:
    """Return the digest of a sender's token, which may change at any time."""
    path, setting = sender.token_file, f"the token_file of {sender.ae_title} in web.senders"
    assert path is not None  # noqa: S101 - those without are known by a login

    def read() -> bytes:
        try:
            token = read_password(path).get_secret_value()
        except ValueError as error:
            raise SettingsInvalid(f"{setting}: {error}") from None
        if len(token) < _FEWEST_CHARACTERS:
            raise SettingsInvalid(
                f"{setting} = {path}: a token of fewer than {_FEWEST_CHARACTERS} characters can be guessed; write one"
                " such as `openssl rand -base64 32` makes"
            )
        return hashlib.sha256(token.encode()).digest()

    return Reloading(setting, [path], read)
