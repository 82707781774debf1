"""The OpenAPI document, written from the endpoints themselves.

References
----------
OpenAPI Specification 3.1.1
"""

import inspect
import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.web.asking import UID
from service.web.contract import TEXT, Contract, json_answer
from service.web.endpoint import Endpoint, is_for_programs
from service.wording import json_value

_PATH_PARAMETERS = {
    "uid": {"type": "string", "pattern": f"^{UID.pattern}$"},
    "number": {"type": "integer", "minimum": 1},
}
#: What every request may meet: a name that is not this machine's, and a ledger or store that is away. Not 500: that
#: would be a mistake of ours.
_ALWAYS = (HTTPStatus.MISDIRECTED_REQUEST, HTTPStatus.SERVICE_UNAVAILABLE)
_AT_THE_LOGIN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)


def document_endpoint(others: Sequence[Endpoint], notice: str, cookie: str) -> Endpoint:
    """Return where the document is read; it describes itself too."""

    def answer(_: Request) -> Response:
        """Answer with this document."""
        return JSONResponse(openapi([*others, own], notice, cookie))

    members = {"openapi": str, "info": dict[str, str], "paths": dict[str, Any], "components": dict[str, Any]}
    own = Endpoint("/openapi.json", answer, contract=json_answer(members))
    return own


def openapi(endpoints: Sequence[Endpoint], notice: str, cookie: str) -> dict[str, Any]:
    """Return the document.

    Parameters
    ----------
    notice
        What every page says of the whole.
    cookie
        The name of a session's cookie.
    """
    kinds = {(one.path, name): kind for one in endpoints for name, kind in one.contract.members.items()}
    made, shared = TypeAdapter.json_schemas(
        [(key, "serialization", TypeAdapter(kind)) for key, kind in kinds.items()],
        ref_template="#/components/schemas/{model}",
        schema_generator=_AsWritten,
    )
    paths: dict[str, dict[str, Any]] = {}
    for one in endpoints:
        members = {name: made[(one.path, name), "serialization"] for name in one.contract.members}
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, members)
    return {
        "openapi": "3.1.1",
        "info": {"title": "auscult", "version": version("auscult"), "description": notice},
        "paths": paths,
        "components": {
            "schemas": shared.get("$defs", {}),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
                "session": {"type": "apiKey", "in": "cookie", "name": cookie},
            },
        },
    }


class _AsWritten(GenerateJsonSchema):
    """Schemas of what `service.wording.json_value` writes: all members, spans in seconds, enumerations by its words."""

    def timedelta_schema(self, schema: Any) -> dict[str, Any]:
        return {"type": "number"}

    def enum_schema(self, schema: Any) -> dict[str, Any]:
        return {"enum": [json_value(member) for member in schema["members"]]}

    def field_is_required(self, field: Any, total: bool) -> bool:
        return True


def _operation(endpoint: Endpoint, members: dict[str, Any]) -> dict[str, Any]:
    contract = endpoint.contract
    named = re.findall(r"{(\w+)}", endpoint.path)
    found: dict[str, Any] = {
        "summary": (inspect.getdoc(endpoint.handler) or "").partition("\n")[0],
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": _PATH_PARAMETERS[name]} for name in named),
            *({"name": name, "in": "query", "schema": schema} for name, schema in contract.query.items()),
        ],
        "security": _security(endpoint),
        "responses": _responses(endpoint, members, may_be_unknown=bool(named)),
    }
    if contract.body:
        found["requestBody"] = {"required": True, "content": {contract.body: {}}}
    elif endpoint.method == "POST":
        schema = _object({**contract.fields, **contract.optional}, contract.fields)
        found["requestBody"] = {"content": {"application/x-www-form-urlencoded": {"schema": schema}}}
    return found


def _security(endpoint: Endpoint) -> list[dict[str, list[str]]]:
    if endpoint.role is None and not endpoint.contract.is_for_senders:
        return []
    roles = [] if endpoint.role is None else [endpoint.role.value]
    return [{scheme: roles} for scheme in ("bearer", "basic", "session")]


def _responses(endpoint: Endpoint, members: dict[str, Any], *, may_be_unknown: bool) -> dict[str, Any]:
    contract, is_guarded = endpoint.contract, bool(_security(endpoint))
    problems = {*_ALWAYS, *contract.problems, *(_AT_THE_LOGIN if is_guarded else ())}
    if may_be_unknown:
        problems.add(HTTPStatus.NOT_FOUND)
    answers = {status: _answer(contract, status, members) for status in contract.statuses}
    if is_guarded and endpoint.method == "GET":
        answers[HTTPStatus.SEE_OTHER] = {}  # a browser is led to where people sign in
    return {
        str(status.value): {
            "description": status.phrase,
            "content": answers.get(status, {}) | (_problem(endpoint) if status in problems else {}),
        }
        for status in sorted({*answers, *problems})
    }


def _answer(contract: Contract, status: HTTPStatus, members: dict[str, Any]) -> dict[str, Any]:
    if status is HTTPStatus.SEE_OTHER:
        return {}
    schema = {"schema": _object(members, members)} if members else {}
    return dict.fromkeys(contract.media_types, schema)


def _problem(endpoint: Endpoint) -> dict[str, Any]:
    """Return what says in words what is wrong; what stands before the handlers says it as plain text."""
    if is_for_programs(endpoint.path):
        return {"text/plain": {}, "application/json": {"schema": _object({"error": TEXT}, ["error"])}}
    return {"text/plain": {}, "text/html": {}}


def _object(properties: dict[str, Any], required: Iterable[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}
