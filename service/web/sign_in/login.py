"""Stands before all pages: finds out who asks, and lets nobody through who does not say."""

from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.security.person import Person
from service.texts import Texts
from service.vocabulary.errors import Unavailable
from service.web.asking import identified
from service.web.problem import Problem, problem_of
from service.web.senders import SENDER
from service.web.sign_in.basic import CHALLENGE
from service.web.sign_in.way import NotLetIn, Way


class Login:
    """Asks each way in turn who asks.

    Parameters
    ----------
    ways
        The ways in, in their order.
    stranger
        Whoever says nothing; None where that is not let through.
    open_paths
        What is answered to everybody.
    has_passwords
        Whether programs are asked for a name and a password.
    has_page
        Whether a browser is led to the page where people sign in.
    """

    def __init__(
        self,
        app: ASGIApp,
        say: Texts,
        ways: Sequence[Way],
        stranger: Person | None,
        open_paths: frozenset[str],
        *,
        has_passwords: bool,
        has_page: bool,
    ) -> None:
        self._app = app
        self._say = say
        self._ways = ways
        self._stranger = stranger
        self._open = open_paths
        self._challenge = CHALLENGE if has_passwords else {}
        self._has_page = has_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        path = str(scope.get("path", ""))
        # Whoever has brought a sender's token needs no name.
        if scope["type"] != "http" or path in self._open or path.startswith("/static/") or SENDER in scope:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            # Hashing takes its time: in a thread, so that nobody else's request waits for it.
            person = await run_in_threadpool(self._person, request)
        except (Problem, Unavailable) as error:
            await self._refusal(error)(scope, receive, send)
            return
        if person is None:
            await self._unknown(request)(scope, receive, send)
            return
        await self._app(identified(scope, person), receive, send)

    def _person(self, request: Request) -> Person | None:
        for way in self._ways:
            person = way.person(request)
            if person is not None:
                return person
        return self._stranger

    def _unknown(self, request: Request) -> Response:
        mode = request.headers.get("sec-fetch-mode", "navigate")
        if self._has_page and "text/html" in request.headers.get("accept", "") and mode == "navigate":
            # A form too: with the challenge the browser would keep a name that nobody can sign out.
            back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            back = back if request.method == "GET" else "/"
            return RedirectResponse(f"/sign-in?back={quote(back, safe='/')}", HTTPStatus.SEE_OTHER)
        # A page's own script asks: with the challenge the browser would ask the person, over a page that still stands.
        return self._refusal(NotLetIn("problem.log_in", headers=self._challenge if mode == "navigate" else {}))

    def _refusal(self, error: Exception) -> Response:
        problem = problem_of(error)
        headers = problem.answer_headers if isinstance(problem, NotLetIn) else {}
        text = self._say(problem.code, **problem.values)
        return PlainTextResponse(f"{text}\n", status_code=problem.status_code, headers=headers)
