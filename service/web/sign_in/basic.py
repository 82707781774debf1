"""HTTP's Basic scheme (RFC 7617) against the file of names and scrypt hashes: each request brings the password."""

import base64
from http import HTTPStatus

from starlette.requests import Request

from service.process.log import get_logger
from service.security.passwords import PasswordCheck, PasswordFile
from service.security.person import Person
from service.web.auditor import PageAuditor
from service.web.sign_in.way import NotLetIn, address_of

log = get_logger(__name__)

CHALLENGE = {"WWW-Authenticate": 'Basic realm="auscult", charset="UTF-8"'}
_LATER = {"Retry-After": "60"}


class Passwords:
    """Names and passwords, in a header or in a form."""

    def __init__(self, users: PasswordFile, auditor: PageAuditor) -> None:
        self.users = users
        self._auditor = auditor

    def person(self, request: Request) -> Person | None:
        """Return who asks, by the Authorization header.

        Raises
        ------
        NotLetIn
            When name or password is wrong, or not looked at for now.
        """
        presented = _credentials(request.headers.get("authorization", ""))
        if presented is None:
            return None
        person = self.verified(*presented, address_of(request))
        self._auditor.logged_in(person.name, address_of(request))
        return person

    def verified(self, name: str, password: bytes, address: str) -> Person:
        """Return who has a name, when its password is right.

        Raises
        ------
        NotLetIn
            When it is wrong, or not looked at for now.
        """
        verdict = self.users.verify(name, password, address)
        if verdict is PasswordCheck.RIGHT:
            return self.users.person(name)
        self._auditor.refused(address)
        if verdict is PasswordCheck.PAUSED:
            log.warning("login from %s not looked at: too many wrong passwords came from there", address)
            raise NotLetIn("problem.too_many_passwords", HTTPStatus.TOO_MANY_REQUESTS, _LATER)
        # The name is what a stranger typed, and may be a password typed into the wrong field.
        log.warning("login from %s refused: web.users holds no such name with this password", address)
        raise NotLetIn("problem.wrong_password", headers=CHALLENGE)


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
