import asyncio
import errno
import logging

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from service.web.security_headers import SecurityHeaders
from tests.service.sample_site import ENGLISH


def _answer(number: int) -> httpx.Response:
    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        raise OSError(number, "told by the system")

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=SecurityHeaders(fails, ENGLISH))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get("/")

    return asyncio.run(ask())


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_a_request_that_gets_no_file_handle_is_told_to_try_again_and_makes_no_line_of_its_own(
    number: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        response = _answer(number)
    assert (response.status_code, "try again" in response.text) == (503, True)
    assert [record for record in caplog.records if record.name.startswith("auscult")] == []


def test_any_other_error_is_named_by_its_type_alone(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        response = _answer(errno.EIO)
    assert response.status_code == 500
    assert [record.getMessage() for record in caplog.records if record.name.startswith("auscult")] == [
        "a request for / failed (OSError)"
    ]
