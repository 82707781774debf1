"""What an endpoint takes and what it answers, stated beside it: the OpenAPI document says no more than this."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

#: A JSON Schema.
Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}


@dataclass(frozen=True)
class Contract:
    """What a request brings beside its path, and what comes back.

    Attributes
    ----------
    media_types
        Of the answer, where it is no problem.
    members
        Types of the members of a JSON answer, as `service.wording.json_value` writes them; none for another answer.
    statuses
        Those of such an answer.
    problems
        What it may meet, beyond what every endpoint may.
    query
        Schemas of the parameters of the query; each may be left out.
    fields, optional
        Schemas of a form's fields; those of `optional` may be left out.
    body
        The media type of a body that is no form.
    is_for_senders
        Whether it is reached by those whom `web.senders` names, instead of by a role.
    """

    media_types: tuple[str, ...] = ("text/html",)
    members: Mapping[str, Any] = field(default_factory=dict)
    statuses: tuple[HTTPStatus, ...] = (HTTPStatus.OK,)
    problems: tuple[HTTPStatus, ...] = ()
    query: Mapping[str, Schema] = field(default_factory=dict)
    fields: Mapping[str, Schema] = field(default_factory=dict)
    optional: Mapping[str, Schema] = field(default_factory=dict)
    body: str = ""
    is_for_senders: bool = False


def page(query: Mapping[str, Schema] | None = None, *problems: HTTPStatus) -> Contract:
    """Return the contract of a page for people."""
    return Contract(query=query or {}, problems=problems)


def json_answer(members: Mapping[str, Any], query: Mapping[str, Schema] | None = None, *more: HTTPStatus) -> Contract:
    """Return the contract of what programs ask for; `more` are the problems that it may meet."""
    return Contract(("application/json",), members, query=query or {}, problems=more)


def stored(media_type: str, query: Mapping[str, Schema] | None = None) -> Contract:
    """Return the contract of what is read from the store, where it may be gone or damaged."""
    return Contract((media_type,), query=query or {}, problems=(HTTPStatus.GONE, HTTPStatus.UNPROCESSABLE_ENTITY))


def form(fields: Mapping[str, Schema] | None = None, *problems: HTTPStatus, **optional: Schema) -> Contract:
    """Return the contract of a form of ours, which leads to a page; `token` is that of our pages' forms."""
    own = (HTTPStatus.FORBIDDEN, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return Contract(
        statuses=(HTTPStatus.SEE_OTHER,),
        problems=(*own, *problems),
        fields=fields or {},
        optional={"token": TEXT, "back": TEXT, **optional},
    )
