"""The machines that send images: how they compare with their reference, and putting one in shadow."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.audit.administration_events import AuditedChange
from service.drift.overview import MachineRow, overview
from service.vocabulary.roles import Role
from service.vocabulary.shadow import ShadowSource
from service.web.asking import person_of, viewer
from service.web.marking import marked
from service.web.problem import Problem
from service.web.site import Site
from service.wording import json_value

_NUMBER = re.compile(r"[0-9]{1,12}")
#: Images that a chart shows, the latest.
_SHOWN = 200
#: Width and height of a chart in its own units; the line of the alarm stands one unit below its top.
_WIDTH, _HEIGHT = 200, 40
#: What stands in the JSON.
MEMBERS = {"machines": list[MachineRow]}


class MachinesPage:
    """The handlers; plain functions, which Starlette runs in threads, for the ledger's queries block."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def machines(self, request: Request) -> Response:
        """Answer with the page."""
        site = self._site
        rows = overview(site.settings.drift, site.ledger)
        return site.page(
            "machines.html",
            rows=rows,
            polyline=polyline,
            now=site.clock(),
            administrator=Role.ADMINISTRATOR,
            **site.form(request),
        )

    def api_machines(self, _request: Request) -> Response:
        """Answer with what the page shows, as JSON."""
        return JSONResponse({"machines": json_value(overview(self._site.settings.drift, self._site.ledger))})

    async def put_in_shadow(self, request: Request) -> Response:
        """Put a machine in shadow, from its next image on."""
        site, (user, address) = self._site, viewer(request)

        def mark(_: Mapping[str, str]) -> None:
            number = str(request.path_params["number"])
            if not _NUMBER.fullmatch(number) or not site.ledger.machines.known(int(number)):
                raise Problem(HTTPStatus.NOT_FOUND, "problem.no_machine")
            source = ShadowSource(machine_id=int(number))
            if site.ledger.shadow.enter(source, person_of(request.scope).name):
                site.auditor.administered(user, address, AuditedChange.SOFTWARE, f"{source} was put in shadow")

        return await marked(request, site.forms, user, mark)


def polyline(sums: Sequence[int], limit: int) -> str:
    """Return the points of a chart's line, for the latest images: a sum at the limit lies on the line of the alarm."""
    shown = sums[-_SHOWN:]
    step = _WIDTH / max(len(shown) - 1, 1)
    return " ".join(
        f"{place * step:.1f},{_HEIGHT - 1 - (_HEIGHT - 2) * min(total / limit, 1):.1f}"
        for place, total in enumerate(shown)
    )
