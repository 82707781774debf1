"""A proxy of the hospital that signs people in and names them in a header; from its own addresses alone."""

import hmac
from ipaddress import ip_address

from starlette.requests import Request

from service.process.log import get_logger
from service.process.sparingly import Sparing
from service.security.person import Person
from service.settings import GroupSettings, ProxySettings
from service.vocabulary.roles import SignInWay
from service.web.auditor import PageAuditor
from service.web.sign_in.way import NotLetIn, address_of, secret_in

log = get_logger(__name__)

#: Characters of a name.
_LONGEST = 128


class Proxy:
    """What the proxy's headers say; of another address they say nothing.

    Raises
    ------
    SettingsInvalid
        When the file of its secret cannot be read.
    """

    def __init__(self, settings: ProxySettings, groups: GroupSettings, auditor: PageAuditor) -> None:
        self._settings = settings
        self._groups = groups
        self._auditor = auditor
        file = settings.secret_file
        self._secret = None if file is None else secret_in(file, "web.proxy.secret_file").encode()
        self._sparing = Sparing(log)

    def person(self, request: Request) -> Person | None:
        """Return whom the proxy names.

        Raises
        ------
        NotLetIn
            When it names two, or brings not its secret: somebody else may have written the header.
        """
        headers, settings = request.headers, self._settings
        named = headers.getlist(settings.user_header)
        address = address_of(request)
        if not named or not self._is_the_proxy(address):
            return None
        groups = headers.getlist(settings.groups_header)
        brought = headers.getlist(settings.secret_header)
        is_known = self._secret is None or (
            len(brought) == 1 and hmac.compare_digest(brought[0].encode("latin-1"), self._secret)
        )
        name = _text(named[0])
        if not is_known or len(named) > 1 or len(groups) > 1 or not name.isprintable() or not 0 < len(name) <= _LONGEST:
            self._auditor.refused(address)
            self._sparing.warn(
                address,
                f"{address} named a person in web.proxy's headers and was refused: without web.proxy.secret_file's"
                " secret, or with a header twice; the proxy must remove what its clients send under these names",
            )
            raise NotLetIn("problem.proxy")
        mine = frozenset(part.strip() for part in _text(groups[0]).split(",")) if groups else frozenset[str]()
        person = Person(name, self._groups.roles(mine), SignInWay.PROXY)
        self._auditor.logged_in(name, address)
        return person

    def _is_the_proxy(self, address: str) -> bool:
        try:
            connected = ip_address(address)
        except ValueError:
            return False
        return any(connected in network for network in self._settings.addresses)


def _text(value: str) -> str:
    """Return a header's text: UTF-8 as proxies send it, else the Latin-1 that HTTP reads it as."""
    try:
        return value.encode("latin-1").decode("utf-8").strip()
    except ValueError:
        return value.strip()
