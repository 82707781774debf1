"""Answers the Store transaction of DICOMweb: its body streams into intake, by the listener's own rules.

References
----------
PS3.18 section 10.5
"""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus

import anyio.to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from service.audit import AuditTrail
from service.dicom.auditor import Auditor
from service.dicom.contexts import accepted
from service.dicom.identity import is_valid_uid
from service.dicomweb import JSON, MEDIA_TYPES, BrokenBody, StoreTransaction, boundary_of, encoded, http_status
from service.dicomweb.store import StoreRequest
from service.intake import Intake
from service.ledger import Ledger
from service.objects import ObjectStore
from service.operations.wake import waker
from service.process.log import get_logger
from service.settings import SenderSettings, Settings
from service.storing import Storing
from service.vocabulary.figures import REFUSED
from service.vocabulary.refusals import Refusal, RefusalReason
from service.web.asking import person_of
from service.web.contract import Contract
from service.web.endpoint import Endpoint
from service.web.problem import Problem
from service.web.senders import CHALLENGE, SENDER, STORE_PATH, Senders

log = get_logger(__name__)

#: Bodies that are written to the disk at one moment; the others wait, and their senders with them. The page's own
#: requests have other threads.
_AT_ONCE = 4
#: A sender that got nothing in may try again so many seconds later.
_RETRY_AFTER_S = 60
_CONTRACT = Contract(
    (JSON, *MEDIA_TYPES),
    statuses=(HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
    problems=(HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_ACCEPTABLE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    body="multipart/related",
    is_for_senders=True,
)


class StoreInstances:
    """The handler of the resource to which instances are sent.

    Parameters
    ----------
    storing
        What C-STORE requests go through, too.
    """

    def __init__(self, settings: Settings, ledger: Ledger, storing: Storing, senders: Senders) -> None:
        self._accepted = accepted(other_objects=settings.listener.other_objects == "record")
        self._ledger = ledger
        self._storing = storing
        self._senders = senders
        self._threads: anyio.CapacityLimiter | None = None

    async def answer(self, request: Request) -> Response:
        """Store what a request brings, and say what became of each instance.

        Raises
        ------
        Problem
            When it is none of ours to take: 400, 401, 403, 406 or 415.
        """
        sender = self._sender(request)
        media_type = _media_type(request.headers.get("accept", "*/*"))
        boundary = boundary_of(request.headers.get("content-type", ""))
        if boundary is None:
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "problem.not_instances")
        transaction = StoreTransaction(self._storing, self._announced(request, sender), boundary)
        try:
            async for piece in request.stream():
                await self._in_thread(transaction.write, piece)
            transaction.end()
        except BrokenBody:
            log.warning("a request to store from %s breaks the rules of RFC 2046", ascii(sender.ae_title))
            raise Problem(HTTPStatus.BAD_REQUEST, "problem.broken_body") from None
        except ClientDisconnect:
            log.warning("a request to store from %s broke off", ascii(sender.ae_title))
            return Response(status_code=HTTPStatus.BAD_REQUEST)  # nobody hears it
        finally:
            await self._in_thread(transaction.discard)
        status = http_status(transaction.instances)
        headers = {"Retry-After": str(_RETRY_AFTER_S)} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
        return Response(encoded(transaction.instances, media_type), status, headers, media_type)

    async def _in_thread(self, act: Callable[..., None], *arguments: object) -> None:
        if self._threads is None:
            self._threads = anyio.CapacityLimiter(_AT_ONCE)  # belongs to the loop that it is made in
        await anyio.to_thread.run_sync(partial(act, *arguments), limiter=self._threads)

    def _sender(self, request: Request) -> SenderSettings:
        sender = self._senders.of(request)
        is_ours = request.headers.get("sec-fetch-site", "same-origin") == "same-origin"
        if sender is not None and is_ours:
            return sender
        address = request.client.host if request.client else ""
        log.warning("a request to store from %s refused: web.senders names nobody who may send it", address)
        self._ledger.refusals.note(Refusal(RefusalReason.SENDER, address))
        is_known = bool(person_of(request.scope).name) or SENDER in request.scope
        problem = Problem(HTTPStatus.FORBIDDEN if is_known else HTTPStatus.UNAUTHORIZED, "problem.no_sender")
        problem.headers = None if is_known else CHALLENGE
        raise problem

    def _announced(self, request: Request, sender: SenderSettings) -> StoreRequest:
        study = str(request.path_params.get("uid", ""))
        if study and not is_valid_uid(study):
            raise Problem(HTTPStatus.BAD_REQUEST, "problem.no_uid")
        address = request.client.host if request.client else ""
        return StoreRequest(sender.ae_title, address, study, self._accepted)


def store_endpoints(
    settings: Settings, ledger: Ledger, trail: AuditTrail, store: ObjectStore, senders: Senders
) -> list[Endpoint]:
    """Return where instances are stored; nowhere unless the settings name senders."""
    if not settings.web.senders:
        return []

    def refused(status: int) -> None:
        ledger.figures.tally.count(REFUSED, f"0x{status:04X}")

    intake = Intake(settings, store, ledger.admission, waker(settings))
    storing = Storing(intake, Auditor(trail, settings.listener.ae_title), refused)
    answer = StoreInstances(settings, ledger, storing, senders).answer
    return [Endpoint(path, answer, None, "POST", _CONTRACT) for path in (STORE_PATH, f"{STORE_PATH}/{{uid}}")]


def _media_type(accept: str) -> str:
    """Return what the answer is written in: the first that is accepted.

    Raises
    ------
    Problem
        When none is.
    """
    wanted = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    if wanted & {"*/*", "application/*", "application/json"}:
        return JSON
    for media_type in MEDIA_TYPES:
        if media_type in wanted:
            return media_type
    raise Problem(HTTPStatus.NOT_ACCEPTABLE, "problem.no_media_type")
