"""Sessions: a cookie holds a token of chance, and the ledger knows whose it is, until when, and since when."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from service.ledger import SignIns
from service.security.passwords import PasswordFile
from service.security.person import Person
from service.vocabulary.roles import SignInWay


class Sessions:
    """The way in of whoever has signed in before.

    Parameters
    ----------
    is_secure
        Whether browsers reach the page over TLS: the cookie then never leaves it, and no other host can have set it.
    """

    def __init__(self, sign_ins: SignIns, users: PasswordFile | None, *, is_secure: bool) -> None:
        self._sign_ins = sign_ins
        self._users = users
        self.is_secure = is_secure
        self.cookie = "__Host-auscult" if is_secure else "auscult"

    def person(self, request: Request) -> Person | None:
        """Return whose session the request brings; None where it has ended."""
        token = request.cookies.get(self.cookie)
        if token is None:
            return None
        # A list that keeps itself current is no sign of anybody who sits before it.
        is_use = request.url.path != "/events" and "live" not in request.query_params
        found = self._sign_ins.find(token, is_use=is_use)
        if found is None:
            return None
        if found.way is not SignInWay.PASSWORD:
            return Person(found.name, found.roles, found.way, has_session=True)
        # The file decides at each request: a name that is gone, or has another password, has no session.
        if self._users is None or self._users.credential(found.name) != found.credential:
            return None
        return replace(self._users.person(found.name), has_session=True)

    def begin(self, request: Request, response: Response, person: Person) -> None:
        """Sign a person in: under a new token always, whatever the browser brought."""
        self._end(request)
        credential = self._users.credential(person.name) if self._users and person.way is SignInWay.PASSWORD else ""
        token = self._sign_ins.begin(person.name, person.roles, person.way or SignInWay.PASSWORD, credential)
        response.set_cookie(self.cookie, token, path="/", secure=self.is_secure, httponly=True, samesite="lax")

    def end(self, request: Request, response: Response) -> None:
        """Sign a person out: the token is worth nothing from now on, in this browser or another."""
        self._end(request)
        response.delete_cookie(self.cookie, path="/", secure=self.is_secure, httponly=True, samesite="lax")

    def _end(self, request: Request) -> None:
        token = request.cookies.get(self.cookie)
        if token is not None:
            self._sign_ins.end(token)
