"""What becomes of an object that arrived, through whichever door: admitted or refused, told to log and audit trail."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from service.dicom.auditor import Auditor
from service.dicom.identity import is_valid_uid
from service.intake import AnnouncedInstance, Intake, Reception
from service.ledger.admission import Registered
from service.process.log import get_logger
from service.vocabulary.errors import AuscultError, LedgerUnavailable, RefusedObject, StoreFull, Unavailable
from service.vocabulary.identity import Identity

log = get_logger(__name__)

_SUCCESS = 0x0000
_OUT_OF_RESOURCES = 0xA700


@dataclass(frozen=True)
class StorageAnswer:
    """The status of an object by PS3.4 Table B.2-1, and what is wrong with it; zero once it is durable."""

    status: int
    comment: str = ""

    @property
    def is_stored(self) -> bool:
        """Whether the object is durable."""
        return self.status == _SUCCESS

    @property
    def is_for_want_of_resources(self) -> bool:
        """Whether the fault is ours, so that the same object may be taken later."""
        return self.status & 0xFF00 == _OUT_OF_RESOURCES


@dataclass(frozen=True)
class Storing:
    """Stands between a door and intake: no error leaves it.

    Attributes
    ----------
    refused
        Called with the status of each object that is not taken.
    """

    intake: Intake
    auditor: Auditor
    refused: Callable[[int], None]

    def begin(self, request: AnnouncedInstance, refusal: AuscultError | None = None) -> Reception:
        """Open a reception; with a refusal, what arrives is drained, and answered with it."""
        return self.intake.begin(request, refusal)

    def finish(self, reception: Reception, address: str) -> StorageAnswer:
        """Answer for an object that has arrived whole."""
        try:
            receipt = self.intake.admit(reception)
        except StoreFull as error:
            # Said once for the whole episode, by the store; a line for each refusal would fill the disk for good.
            self._note_refusal(reception, address, error, error.status)
            log.debug("refused with 0x%04X: %s", error.status, error)
            return StorageAnswer(error.status, str(error))
        except (RefusedObject, Unavailable) as error:
            self._note_refusal(reception, address, error, error.status)
            _log(reception, error.status, str(error))
            # What ails the ledger in detail, with its path or host, is for the log alone.
            is_ours = isinstance(error, LedgerUnavailable)
            return StorageAnswer(error.status, str(type(error)() if is_ours else error))
        except Exception as error:
            # The fault is ours, so the sender is told to try again.
            log.exception("an object could not be admitted")
            unforeseen = AuscultError(f"internal error ({type(error).__name__})")
            self._note_refusal(reception, address, unforeseen, _OUT_OF_RESOURCES)
            _log(reception, _OUT_OF_RESOURCES, type(error).__name__)
            return StorageAnswer(_OUT_OF_RESOURCES, str(unforeseen))
        identity = cast(Identity, reception.identity)
        is_new = receipt.registered is not Registered.KNOWN
        self.auditor.received(reception.request.calling_ae_title, address, identity, is_new=is_new)
        if receipt.closed:
            self.auditor.closed(identity)
        what = ("study held" if receipt.held else "", "study read" if receipt.closed else "")
        _log(reception, _SUCCESS, ", ".join((receipt.registered.value, *filter(None, what))))
        return StorageAnswer(_SUCCESS)

    def _note_refusal(self, reception: Reception, address: str, error: AuscultError, status: int) -> None:
        self.refused(status)
        said = reception.request
        class_uid, instance_uid = (
            uid if is_valid_uid(uid) else "" for uid in (said.sop_class_uid, said.sop_instance_uid)
        )
        identity = reception.identity or Identity(class_uid, instance_uid, "", "")
        self.auditor.not_taken(said.calling_ae_title, address, identity, error, status)


def _log(reception: Reception, status: int, result: str) -> None:
    uid = reception.request.sop_instance_uid
    (log.info if status == _SUCCESS else log.warning)(
        "%s from %s: %d bytes, %.0f ms, 0x%04X %s",
        uid if is_valid_uid(uid) else "(no valid SOP Instance UID)",
        # An AE title is what a stranger typed; `ascii` keeps control characters out of the log.
        ascii(reception.request.calling_ae_title),
        reception.size,
        1000 * (time.monotonic() - reception.started),
        status,
        result,
    )
