"""The pages where people sign in and out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

import anyio.to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from service.security.person import Person
from service.vocabulary.roles import Role
from service.web.asking import person_of, viewer
from service.web.contract import TEXT, Contract, form, page
from service.web.endpoint import Endpoint
from service.web.sign_in.basic import Passwords
from service.web.sign_in.sessions import Sessions
from service.web.sign_in.way import NotLetIn, address_of
from service.web.site import Site

if TYPE_CHECKING:
    from service.web.sign_in.oidc import Provider

_PENDING = "auscult-sign-in"
#: Seconds in which a person signs in at the provider.
_PATIENCE_S = 600
#: Characters of an address that a cookie has room for.
_LONGEST_BACK = 1024
#: Sign-ins that wait for the provider at one moment: while it is away, the page's own requests have other threads.
_AT_ONCE = 4
#: Whose forms those are that are filled in before anybody is known.
_NOBODY = ""
_PASSWORD_FORM = form({"name": TEXT, "password": TEXT}, HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS)
#: What leads to the provider, and from there to the page; and what the provider's answer brings.
_LEADING = Contract(statuses=(HTTPStatus.SEE_OTHER,), problems=(HTTPStatus.FORBIDDEN,))
_ANSWERED = ["code", "state", "error"]


class SignInPages:
    """The handlers.

    Parameters
    ----------
    passwords, provider
        The ways in that there are.
    """

    def __init__(self, site: Site, sessions: Sessions, passwords: Passwords | None, provider: Provider | None) -> None:
        self._site = site
        self._sessions = sessions
        self._passwords = passwords
        self._provider = provider
        self._threads: anyio.CapacityLimiter | None = None

    @property
    def endpoints(self) -> list[Endpoint]:
        """What they answer; nothing where there is no way in that has a page."""
        found = [
            Endpoint("/sign-in", self.show, None, contract=page({"back": TEXT})),
            Endpoint("/sign-out", self.sign_out, Role.READER, "POST", form()),
        ]
        if self._passwords is not None:
            found.append(Endpoint("/sign-in", self.sign_in, None, "POST", _PASSWORD_FORM))
        if self._provider is not None:
            begin, finish = (replace(_LEADING, query=dict.fromkeys(names, TEXT)) for names in (["back"], _ANSWERED))
            found += [
                Endpoint("/sign-in/oidc", self.begin, None, contract=begin),
                Endpoint("/sign-in/oidc/answer", self.finish, None, contract=finish),
            ]
        return found if self._passwords or self._provider else []

    def show(self, request: Request) -> Response:
        """Answer with the page that asks who it is."""
        return self._asked(request.query_params.get("back", "/"))

    async def sign_in(self, request: Request) -> Response:
        """Take a name and a password."""
        fields = await self._site.forms.fields(request, _NOBODY)
        return await run_in_threadpool(self._with_password, request, fields)

    def _with_password(self, request: Request, fields: dict[str, str]) -> Response:
        assert self._passwords is not None  # noqa: S101 - there is no such endpoint without
        name, password, back = (fields.get(field, "") for field in ("name", "password", "back"))
        try:
            person = self._passwords.verified(name, password.encode(), address_of(request))
        except NotLetIn as error:
            return self._asked(back, error)
        return self._signed_in(request, person, back)

    async def begin(self, request: Request) -> Response:
        """Lead the browser to the provider."""
        return await self._apart(self._begin, request)

    async def finish(self, request: Request) -> Response:
        """Take the provider's answer."""
        return await self._apart(self._finish, request)

    async def _apart(self, act: Callable[[Request], Response], request: Request) -> Response:
        if self._threads is None:
            self._threads = anyio.CapacityLimiter(_AT_ONCE)  # belongs to the loop that it is made in
        return await anyio.to_thread.run_sync(act, request, limiter=self._threads)

    def _begin(self, request: Request) -> Response:
        assert self._provider is not None  # noqa: S101
        back = request.query_params.get("back", "/")
        begun = self._provider.begin(back if len(back) <= _LONGEST_BACK else "/", self._key())
        response = RedirectResponse(begun.url, HTTPStatus.SEE_OTHER)
        response.set_cookie(
            _PENDING,
            begun.sealed,
            max_age=_PATIENCE_S,
            path="/sign-in/oidc",
            secure=self._sessions.is_secure,
            httponly=True,
            samesite="lax",
        )
        return response

    def _finish(self, request: Request) -> Response:
        assert self._provider is not None  # noqa: S101
        person, back = self._provider.finish(request.query_params, request.cookies.get(_PENDING, ""), self._key())
        response = self._signed_in(request, person, back)
        response.delete_cookie(_PENDING, path="/sign-in/oidc")
        return response

    async def sign_out(self, request: Request) -> Response:
        """End the session."""
        user, address = viewer(request)
        await self._site.forms.fields(request, user)
        response = RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER)
        await run_in_threadpool(self._sessions.end, request, response)
        if person_of(request.scope).has_session:
            await run_in_threadpool(self._site.auditor.signed_out, user, address)
        return response

    def _signed_in(self, request: Request, person: Person, back: str) -> Response:
        # A path of ours and nothing else: `//host` and `/\host` are other sites.
        is_ours = back.startswith("/") and not back.startswith(("//", "/\\", "/sign-"))
        response = RedirectResponse(back if is_ours else "/", HTTPStatus.SEE_OTHER)
        self._sessions.begin(request, response, person)
        self._site.auditor.signed_in(person.name, address_of(request))
        return response

    def _asked(self, back: str, error: NotLetIn | None = None) -> Response:
        return self._site.page(
            "sign_in.html",
            HTTPStatus.OK if error is None else HTTPStatus(error.status_code),
            back=back,
            problem=None if error is None else self._site.say(error.code),
            token=self._site.forms.token(_NOBODY),
            has_passwords=self._passwords is not None,
            has_provider=self._provider is not None,
        )

    def _key(self) -> bytes:
        return self._site.ledger.site_keys.of("sign-in")
