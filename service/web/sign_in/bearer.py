"""The tokens of programs (RFC 6750): `auscult token` makes and revokes them."""

from starlette.requests import Request

from service.ledger import ApiTokens
from service.process.log import get_logger
from service.security.person import Person
from service.vocabulary.roles import SignInWay
from service.web.auditor import PageAuditor
from service.web.sign_in.way import NotLetIn, address_of

log = get_logger(__name__)

_INVALID = {"WWW-Authenticate": 'Bearer realm="auscult", error="invalid_token"'}


class Tokens:
    """Tokens in the Authorization header; no browser sends one by itself."""

    def __init__(self, tokens: ApiTokens, auditor: PageAuditor) -> None:
        self._tokens = tokens
        self._auditor = auditor

    def person(self, request: Request) -> Person | None:
        """Return the program that asks.

        Raises
        ------
        NotLetIn
            When its token is none, has ended or was revoked.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        address, found = address_of(request), self._tokens.find(token.strip())
        if found is None:
            self._auditor.refused(address)
            log.warning(
                "a token from %s refused: it has ended, was revoked, or never was; auscult token --help", address
            )
            raise NotLetIn("problem.wrong_api_token", headers=_INVALID)
        person = Person(f"{found.name} (token {found.number})", found.roles, SignInWay.TOKEN)
        self._auditor.logged_in(person.name, address)
        return person
