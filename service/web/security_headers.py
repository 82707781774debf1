"""What stands around every response: headers that keep patient data in, errors that end without a traceback."""

from collections.abc import Iterable
from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.process.handles import OUT_OF_HANDLES
from service.process.log import get_logger
from service.texts import Texts

log = get_logger(__name__)

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}

#: The names of this machine itself; the settings may add others. Any further one is another site's name that was
#: pointed here (DNS rebinding).
_OWN_NAMES = ("127.0.0.1", "localhost", "[::1]")


class SecurityHeaders:
    """Answers only requests to this machine by its own names, guards each response, and swallows what breaks.

    Parameters
    ----------
    names
        Names and addresses of this machine in the network, besides those of loopback.
    """

    def __init__(self, app: ASGIApp, say: Texts, names: Iterable[str] = ()) -> None:
        self._app = app
        self._say = say
        self._names = {*_OWN_NAMES, *(f"[{name}]" if ":" in name else name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _guard(MutableHeaders(scope=message), scope["path"])
            await send(message)

        if _name(Request(scope).headers.get("host", "")) not in self._names:
            text = self._say("problem.other_name")
            await _plain(HTTPStatus.MISDIRECTED_REQUEST, text)(scope, receive, guarded)
            return
        try:
            await self._app(scope, receive, guarded)
        except Exception as error:  # noqa: BLE001 - this is where every error ends
            if isinstance(error, OSError) and error.errno in OUT_OF_HANDLES:
                # It may befall each of hundreds of requests; whoever accepts connections has said it once for all.
                if not started:
                    text = self._say("problem.no_handle")
                    await _plain(HTTPStatus.SERVICE_UNAVAILABLE, text)(scope, receive, guarded)
                return
            # The type alone: an exception's text may hold what was read from a data set.
            log.error("a request for %s failed (%s)", _route(scope), type(error).__name__)
            if not started:
                text = self._say("problem.unexpected")
                await _plain(HTTPStatus.INTERNAL_SERVER_ERROR, text)(scope, receive, guarded)


def _guard(headers: MutableHeaders, path: str) -> None:
    for name, value in _HEADERS.items():
        headers[name] = value
    headers["Cache-Control"] = "no-cache" if path.startswith("/static/") else "no-store"


def _name(host: str) -> str:
    """Return the name in a Host header, without its port."""
    return (host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host).lower()


def _route(scope: Scope) -> str:
    """Return a path's first part: what follows may be anything that a visitor typed."""
    first = str(scope["path"]).split("/")[1:2]
    return (
        f"/{first[0]}" if first and first[0] in ("", "api", "studies", "instances", "reports", "static") else "a page"
    )


def _plain(status: HTTPStatus, text: str) -> PlainTextResponse:
    return PlainTextResponse(f"{text}\n", status_code=status.value)
