"""All the ways in that the settings open, and the login that stands before the pages with them."""

from starlette.middleware import Middleware

from service.security.passwords import PasswordFile
from service.security.person import Person
from service.web.endpoint import Endpoint
from service.web.sign_in.basic import Passwords
from service.web.sign_in.bearer import Tokens
from service.web.sign_in.login import Login
from service.web.sign_in.pages import SignInPages
from service.web.sign_in.proxy import Proxy
from service.web.sign_in.sessions import Sessions
from service.web.sign_in.way import Way
from service.web.site import Site


class WaysIn:
    """The ways in, as the settings have them.

    Raises
    ------
    SettingsInvalid
        When the file of users or of a secret cannot be used.
    """

    def __init__(self, site: Site) -> None:
        web = site.settings.web
        users = PasswordFile("web.users", web.users) if web.users is not None else None
        sessions = Sessions(site.ledger.sign_ins, users, is_secure=web.is_reached_by_tls)
        self._passwords = Passwords(users, site.auditor) if users is not None else None
        provider = None
        if web.oidc is not None:
            from service.web.sign_in.oidc import Provider  # its libraries load only where they are wanted

            provider = Provider(web.oidc, web.groups)
        self._site = site
        self.cookie = sessions.cookie
        self.endpoints: list[Endpoint] = SignInPages(site, sessions, self._passwords, provider).endpoints
        proxy = Proxy(web.proxy, web.groups, site.auditor) if web.proxy is not None else None
        found: list[Way | None] = [Tokens(site.ledger.api_tokens, site.auditor), self._passwords, proxy]
        found.append(sessions if self.endpoints else None)
        self._ways = [way for way in found if way is not None]

    def login(self, open_paths: frozenset[str]) -> Middleware:
        """Return what stands before the pages; without a login, all that reaches them comes from this machine."""
        web = self._site.settings.web
        return Middleware(
            Login,
            say=self._site.say,
            ways=self._ways,
            stranger=None if web.has_login else Person(roles=frozenset(web.roles_without_login)),
            open_paths=open_paths,
            has_passwords=self._passwords is not None,
            has_page=bool(self.endpoints),
        )
