"""Every path names the role that it needs, and nothing is reached another way."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse

from service.security.person import Person
from service.texts import texts_in
from service.vocabulary.language import Language
from service.vocabulary.roles import Role
from service.web.endpoint import Endpoint
from service.web.sign_in.login import Login
from tests.service.sample_site import SampleSite
from tests.service.web.test_server import serving

_MAY = {
    (): set(),
    (Role.READER,): {Role.READER},
    (Role.RADIOLOGIST,): {Role.READER, Role.RADIOLOGIST},
    (Role.ADMINISTRATOR,): {Role.READER, Role.ADMINISTRATOR},
    (Role.RADIOLOGIST, Role.ADMINISTRATOR): set(Role),
}


@pytest.mark.parametrize("roles", _MAY)
def test_who_has_not_the_role_is_refused_and_any_role_makes_a_reader(roles: tuple[Role, ...]) -> None:
    asked = []

    def answer(request: object) -> PlainTextResponse:
        asked.append(request)
        return PlainTextResponse("done")

    endpoints = [Endpoint(f"/{role.value}", answer, role, "POST") for role in Role]
    login = Middleware(
        Login,
        say=texts_in(Language.ENGLISH),
        ways=[],
        stranger=Person(roles=frozenset(roles)),
        open_paths=frozenset({"/open"}),
        has_passwords=False,
        has_page=False,
    )
    app = Starlette(
        routes=[endpoint.route() for endpoint in [*endpoints, Endpoint("/open", answer, None)]],
        middleware=[login],
        exception_handlers={HTTPException: lambda _, error: PlainTextResponse(error.code, error.status_code)},
    )

    async def ask() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            for role in Role:
                answered = await client.post(f"/{role.value}")
                assert (answered.status_code == 200) is (role in _MAY[roles])
                assert answered.text == ("done" if role in _MAY[roles] else "problem.no_role")
            assert (await client.get("/open")).status_code == 200

    asyncio.run(ask())
    assert len(asked) == len(_MAY[roles]) + 1, "a handler of another role was never called"


def test_without_a_login_and_without_a_role_only_health_is_answered(site: SampleSite) -> None:
    assert site.settings.web.roles_without_login == (Role.READER,), "what there was before there were roles"
    closed = site.settings.web.model_copy(update={"roles_without_login": ()})
    site.settings = site.settings.model_copy(update={"web": closed})
    with serving(site) as address, httpx.Client(base_url=address, timeout=20) as client:
        refused = client.get("/")
        assert refused.status_code == 403
        assert "needs the role reader" in refused.text
        assert client.get("/api/status").json()["error"].startswith("Your name may not do this")
        assert [client.get(path).status_code for path in ("/metrics", "/healthz", "/readyz")] == [403, 200, 200]
