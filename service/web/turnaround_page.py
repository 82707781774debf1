"""How long things took, by source and by hour, as a page and as JSON."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.ledger.turnarounds import Turnaround
from service.vocabulary.figures import TURNAROUNDS
from service.web.contract import TEXT
from service.web.list_address import ae_title
from service.web.site import Site
from service.wording import json_value

_SPAN = timedelta(days=1)
QUERY = {"from": TEXT}
#: What stands in the JSON.
MEMBERS = {
    "targets": dict[str, timedelta],
    "source": str,
    "by_source": dict[str, dict[str, Turnaround]],
    "by_hour": list[dict[str, datetime | Turnaround]],
}


class TurnaroundPage:
    """Answers with the turnarounds of the last day: by source, and by hour of one source or of all."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._targets = site.settings.turnaround.targets

    def turnaround(self, request: Request) -> Response:
        """Return the page."""
        values = self._values(request.query_params)
        figures = [figure.name for figure in TURNAROUNDS]
        return self._site.page("turnaround.html", figures=figures, now=self._site.clock(), **values)

    def api_turnaround(self, request: Request) -> Response:
        """Return JSON: spans in seconds, hours in ISO 8601."""
        values = self._values(request.query_params)
        values["by_hour"] = [{"hour": hour, **found} for hour, found in values["by_hour"].items()]
        return JSONResponse(json_value(values))

    def _values(self, query: Mapping[str, str]) -> dict[str, Any]:
        turnarounds, source = self._site.ledger.turnarounds, ae_title(query, "from")
        return {
            "targets": self._targets,
            "source": source,
            "by_source": turnarounds.by_source(_SPAN),
            "by_hour": turnarounds.by_hour(_SPAN, source or None),
        }
