"""The tables of DICOMweb in the conformance statement."""

from http import HTTPStatus

from docs.tables import table
from service.dicomweb import MEDIA_TYPES, StoredInstance, http_status
from service.storing import StorageAnswer
from service.vocabulary.errors import NotDicom, StoreFull
from service.web.senders import STORE_PATH


def store() -> str:
    """Return the resources to which instances are stored."""
    request, answer = 'multipart/related; type="application/dicom"', " or ".join(f"`{kind}`" for kind in MEDIA_TYPES)
    rows = [
        (f"`POST {STORE_PATH}`", "of any study", f"`{request}`", answer),
        (f"`POST {STORE_PATH}/{{uid}}`", "of that study", f"`{request}`", answer),
    ]
    return table(("resource", "instances", "request", "answer"), rows)


def statuses() -> str:
    """Return the HTTP status for each outcome of a request."""
    stored, bad, no_room = (
        StoredInstance("", "", StorageAnswer(code)) for code in (0, NotDicom.status, StoreFull.status)
    )
    outcomes = {
        "all instances are durable": [stored],
        "some are; those that failed are named": [stored, bad],
        "none is, and another try would fail alike for one at least": [bad, no_room],
        "none is, for want of resources; `Retry-After` says when to try again": [no_room],
    }
    rows = [
        (f"`{http_status(instances).value}`", http_status(instances).phrase, why) for why, instances in outcomes.items()
    ]
    for status, why in (
        (
            HTTPStatus.BAD_REQUEST,
            "the body is no such body, is not whole, or has no part; whole parts before are durable",
        ),
        (HTTPStatus.UNAUTHORIZED, "no token or login"),
        (HTTPStatus.FORBIDDEN, "a login that is no sender's, or an address that is not"),
        (HTTPStatus.NOT_ACCEPTABLE, "the answer is wanted in another form"),
        (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body is of another kind"),
    ):
        rows.append((f"`{status.value}`", status.phrase, why))
    return table(("status", "PS3.18 Tables 8.5-1, 10.5.3-1", "when"), rows)
