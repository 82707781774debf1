"""The hospital's OpenID Connect provider: the authorization code flow with PKCE.

References
----------
OpenID Connect Core 1.0 section 3.1; RFC 7636 (PKCE), RFC 9207 (issuer in the answer), RFC 9700 (current practice).
"""

import hmac
import secrets
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey

from service.process.log import get_logger
from service.security.person import Person
from service.settings import GroupSettings, OidcSettings
from service.vocabulary.errors import SettingsInvalid
from service.vocabulary.roles import SignInWay
from service.web.problem import Problem
from service.web.sign_in.way import secret_in

log = get_logger(__name__)

#: Signatures that only the provider can make.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
#: Seconds for which what the provider says of itself is remembered.
_REMEMBERED_S = 600.0
#: Seconds for which one that did not answer is not asked again: each who waits would wait in turn.
_PAUSE_S = 5.0
#: Seconds in which a person signs in there.
_PATIENCE_S = 600
_LEEWAY_S = 60
_LONGEST_NAME = 128


@dataclass(frozen=True)
class Begun:
    """A sign-in that the provider has yet to answer.

    Attributes
    ----------
    url
        Where the browser goes.
    sealed
        What the browser keeps meanwhile, and cannot change: which answer is its own.
    """

    url: str
    sealed: str


class Provider:
    """What we ask of the provider; its answers are remembered for some minutes.

    Raises
    ------
    SettingsInvalid
        When the file of the client's secret or of the authorities cannot be used.
    """

    def __init__(self, settings: OidcSettings, groups: GroupSettings) -> None:
        self._settings = settings
        self._groups = groups
        self._secret = secret_in(settings.client_secret_file, "web.oidc.client_secret_file")
        try:
            self._tls = ssl.create_default_context(cafile=str(settings.ca) if settings.ca else None)
        except (OSError, ssl.SSLError):
            raise SettingsInvalid(f"web.oidc.ca = {settings.ca}: is no file of certificates (PEM)") from None
        self._lock = threading.Lock()
        self._metadata: tuple[float, Mapping[str, Any]] | None = None
        self._away_at: float | None = None

    def begin(self, back: str, key: bytes) -> Begun:
        """Begin a sign-in.

        Parameters
        ----------
        back
            Where the person wants to.
        key
            Seals what the browser keeps.

        Raises
        ------
        Problem
            When the provider does not answer.
        """
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        with self._client() as client:
            endpoint = self._said(client)["authorization_endpoint"]
            url, _ = client.create_authorization_url(endpoint, state=state, nonce=nonce, code_verifier=verifier)
        kept = {"state": state, "nonce": nonce, "verifier": verifier, "back": back}
        expires = int(time.time()) + _PATIENCE_S
        return Begun(url, jwt.encode({"alg": "HS256"}, {**kept, "exp": expires}, OctKey.import_key(key)))

    def finish(self, answer: Mapping[str, str], sealed: str, key: bytes) -> tuple[Person, str]:
        """Return who has signed in, and where that person wanted to.

        Raises
        ------
        Problem
            When the answer is not one to what this browser asked, or the provider's word is not good.
        """
        try:
            kept = jwt.decode(sealed, OctKey.import_key(key), algorithms=["HS256"]).claims
            jwt.JWTClaimsRegistry(exp={"essential": True}).validate(kept)
        except (JoseError, ValueError):
            raise _failed("the browser brought no sign-in of the last minutes") from None
        if not hmac.compare_digest(answer.get("state", "").encode(), kept["state"].encode()):
            raise _failed("the answer belongs to another sign-in")
        if "code" not in answer:
            raise _failed("the provider refused it")
        with self._client() as client:
            said = self._said(client)
            if answer.get("iss", said["issuer"]) != said["issuer"]:
                raise _failed("the answer is another issuer's")
            return self._person(self._claims(client, said, answer["code"], kept)), kept["back"]

    def _claims(
        self, client: OAuth2Client, said: Mapping[str, Any], code: str, kept: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Return what the provider says of the person: the claims of its ID token, and of its user info."""
        try:
            token = client.fetch_token(said["token_endpoint"], code=code, code_verifier=kept["verifier"])
            keys: Any = _json(client.request("GET", said["jwks_uri"], withhold_token=True))
            read = jwt.decode(token["id_token"], KeySet.import_key_set(keys), algorithms=_ALGORITHMS)
            options = {
                "iss": {"essential": True, "values": [said["issuer"]]},
                "aud": {"essential": True, "values": [self._settings.client_id]},
            }
            bound = {
                "nonce": kept["nonce"],
                "client_id": self._settings.client_id,
                "access_token": token.get("access_token"),
            }
            claims = CodeIDToken(read.claims, read.header, options, bound)
            claims.validate(leeway=_LEEWAY_S)
            if self._settings.groups_claim in claims or "userinfo_endpoint" not in said:
                return dict(claims)
            more = _json(client.get(said["userinfo_endpoint"]))
        except httpx2.HTTPError as error:
            raise _away(error) from None
        except (OAuthError, JoseError, KeyError, TypeError, ValueError) as error:
            raise _failed(f"the provider's word is not good ({type(error).__name__})") from None
        # OpenID Connect Core 5.3.2: of another subject it must not be used.
        return {**more, **claims} if more.get("sub") == claims["sub"] else dict(claims)

    def _person(self, claims: Mapping[str, Any]) -> Person:
        name = str(claims.get(self._settings.name_claim) or claims["sub"])[:_LONGEST_NAME]
        listed = claims.get(self._settings.groups_claim, ())
        groups = listed.split() if isinstance(listed, str) else [str(group) for group in listed]
        person = Person(name, self._groups.roles(frozenset(groups)), SignInWay.OIDC)
        if not person.roles:
            log.warning("somebody signed in with the provider and is in none of the groups that web.groups names")
            raise Problem(HTTPStatus.FORBIDDEN, "problem.no_group")
        return person

    def _client(self) -> OAuth2Client:
        settings = self._settings
        return OAuth2Client(
            client_id=settings.client_id,
            client_secret=self._secret,
            scope=settings.scopes,
            redirect_uri=settings.redirect_uri,
            code_challenge_method="S256",
            verify=self._tls,
            timeout=settings.timeout,
            trust_env=False,
        )

    def _said(self, client: OAuth2Client) -> Mapping[str, Any]:
        """Return the provider's configuration (OpenID Connect Discovery 1.0)."""
        with self._lock:
            if self._metadata is not None and time.monotonic() - self._metadata[0] < _REMEMBERED_S:
                return self._metadata[1]
            if self._away_at is not None and time.monotonic() - self._away_at < _PAUSE_S:
                raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "problem.provider_away")
            address = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
            try:
                said = _json(client.request("GET", address, withhold_token=True))
            except (httpx2.HTTPError, TypeError, ValueError) as error:
                self._away_at = time.monotonic()
                raise _away(error) from None
            wanted = {"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"}
            if not wanted <= set(said) or said["issuer"].rstrip("/") != self._settings.issuer.rstrip("/"):
                raise _away(ValueError("its configuration names another issuer, or lacks an endpoint"))
            self._metadata = time.monotonic(), said
            return said


def _json(response: httpx2.Response) -> dict[str, Any]:
    response.raise_for_status()
    said = response.json()
    if not isinstance(said, dict):
        raise TypeError
    return said


def _away(error: Exception) -> Problem:
    log.warning("web.oidc: the provider does not answer as it should (%s); see web.oidc.issuer", type(error).__name__)
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "problem.provider_away")


def _failed(why: str) -> Problem:
    log.warning("web.oidc: a sign-in failed: %s", why)
    return Problem(HTTPStatus.FORBIDDEN, "problem.sign_in_failed")
