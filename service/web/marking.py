"""Close a study from the page, for it was read, or open it again: the only requests that change something.

A login by HTTP's Basic scheme goes along with whatever another site makes a browser send. So such a request needs a
token that only our own pages hold, and a browser that says where it comes from must say that it is from us.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse

from service.security.passwords import PasswordFile
from service.web.problem import Problem

#: Bytes of a form; ours have fewer.
_MOST = 8192


class Forms:
    """The tokens of our pages' forms: one for each name that is logged in.

    Parameters
    ----------
    users
        Its secret is that of the tokens, so that each of a site's page processes takes the others' forms; without it
        they last until this process ends.
    """

    def __init__(self, users: PasswordFile | None = None) -> None:
        self._users = users
        self._own = secrets.token_bytes(32)

    def token(self, user: str) -> str:
        """Return the token of a person's forms."""
        key = self._users.secret("forms of the page") if self._users is not None else self._own
        return hmac.new(key, user.encode(), hashlib.sha256).hexdigest()

    async def fields(self, request: Request, user: str) -> dict[str, str]:
        """Return what a form of ours sends.

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
        if not hmac.compare_digest(fields.get("token", "").encode(), self.token(user).encode()):
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
    return RedirectResponse(back if back.startswith(("/?", "/studies/")) else "/", HTTPStatus.SEE_OTHER)
