"""The forms by which a person changes something, such as that a study was read.

A login by HTTP's Basic scheme, and a cookie, go along with what another site makes a browser send. So such a request
needs a token that only our own pages hold, and a browser that says where it comes from must say that it is from us.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse

from service.vocabulary.roles import SignInWay
from service.web.asking import person_of
from service.web.problem import Problem

#: Bytes of a form; ours have fewer.
_MOST = 8192


class Forms:
    """The tokens of our pages' forms: one for each name that is logged in.

    Parameters
    ----------
    key
        Returns the site's key, which all its page processes share: each takes the others' forms.
    """

    def __init__(self, key: Callable[[], bytes]) -> None:
        self._key = key

    def token(self, user: str) -> str:
        """Return the token of a person's forms."""
        return hmac.new(self._key(), user.encode(), hashlib.sha256).hexdigest()

    async def fields(self, request: Request, user: str) -> dict[str, str]:
        """Return what a form of ours sends, or what a program does: no browser sends its token by itself.

        Raises
        ------
        Problem
            When it is not one of ours, or is another person's.
        """
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise Problem(HTTPStatus.FORBIDDEN, "problem.not_our_form")
        content = b""
        async for part in request.stream():
            content += part
            if len(content) > _MOST:
                raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "problem.not_our_form")
        fields = {name: values[0] for name, values in parse_qs(content.decode("ascii", "replace")).items()}
        is_program = person_of(request.scope).way is SignInWay.TOKEN
        if not is_program and not hmac.compare_digest(fields.get("token", "").encode(), self.token(user).encode()):
            raise Problem(HTTPStatus.FORBIDDEN, "problem.not_our_form")
        return fields


async def marked(
    request: Request, forms: Forms, user: str, mark: Callable[[Mapping[str, str]], None]
) -> RedirectResponse:
    """Do what a form of ours asks for, and send the browser back to where it was.

    Raises
    ------
    Problem
        When the form is not ours.
    """
    fields = await forms.fields(request, user)
    await run_in_threadpool(mark, fields)
    back = fields.get("back", "")
    return RedirectResponse(
        back if back.startswith(("/?", "/studies/")) or back == "/machines" else "/", HTTPStatus.SEE_OTHER
    )
