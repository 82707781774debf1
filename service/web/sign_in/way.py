"""What each way in is asked for, and what it answers when it lets nobody in."""

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

from starlette.requests import Request

from service.security.person import Person
from service.settings.secret_files import read_password
from service.vocabulary.errors import SettingsInvalid
from service.web.problem import Problem


class Way(Protocol):
    """A way in."""

    def person(self, request: Request) -> Person | None:
        """Return who asks; None where the request brings nothing of this way.

        Raises
        ------
        NotLetIn
            When it brings something that is not right.
        """


class NotLetIn(Problem):
    """What a request brought of a way in is not right."""

    def __init__(
        self,
        code: str,
        status: HTTPStatus = HTTPStatus.UNAUTHORIZED,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, code)
        self.answer_headers = dict(headers or {})


def secret_in(path: Path, setting: str) -> str:
    """Return the secret in a file: its first line.

    Raises
    ------
    SettingsInvalid
        When it cannot be read.
    """
    try:
        return read_password(path).get_secret_value()
    except ValueError as error:
        raise SettingsInvalid(f"{setting}: {error}") from None


def address_of(request: Request) -> str:
    """Return the address that connects; what a header says of it is not read."""
    return request.client.host if request.client else "an unknown address"
