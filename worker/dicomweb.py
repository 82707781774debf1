"""A DICOMweb server as a destination of reports: STOW-RS to bring them, QIDO-RS to ask whether they are held.

References
----------
PS3.18 sections 10.5 (Store) and 10.6 (Search), Annex I.2; RFC 7617, RFC 6750
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from service.dicom.instance_file import InstanceFile
from service.dicom.scu import is_permanent, is_taken
from service.http_wire import HttpAnswer, exchanged, failure_of, login
from service.settings import DicomwebSettings
from service.vocabulary.errors import PermanentDeliveryFailure, TransientDeliveryFailure

_JSON = "application/dicom+json"
#: Most bytes of an answer about one instance; one that says more of it is read no further, and not understood.
_MOST = 1 << 20
_FAILED, _STORED, _OTHER_FAILURES = "00081198", "00081199", "0008119A"
_INSTANCE_UID, _FAILURE_REASON, _WARNING_REASON = "00081155", "00081197", "00081196"
_SOP_INSTANCE_UID = "00080018"
_SUCCESS = 0x0000


class DicomwebArchive:
    """Brings instances to one server, each in a request of its own; see `worker.archive.Archive`."""

    def __init__(self, destination: DicomwebSettings) -> None:
        self._destination = destination
        self._base = destination.url.rstrip("/")

    def accepts(self, _sop_class_uid: str) -> bool:
        """Return True: over HTTP nothing is negotiated, and what is not taken is refused when it comes."""
        return True

    def lacks(self, _sop_class_uid: str) -> bool:
        """Return False, for the same reason."""
        return False

    def store(self, instance: InstanceFile) -> int:
        """Send an instance; return the status by which the server took it: success, a warning, or the duplicate.

        Raises
        ------
        TransientDeliveryFailure
            When the server cannot be reached, lets us not in, or is out of resources.
        PermanentDeliveryFailure
            When it refuses the object itself.
        """
        # No content holds a digest of itself.
        boundary = f"auscult-{hashlib.sha256(instance.content).hexdigest()[:40]}"
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = head + instance.content + f"\r\n--{boundary}--\r\n".encode()
        kind = f'multipart/related; type="application/dicom"; boundary="{boundary}"'
        answer = self._asked("POST", f"{self._base}/studies", body, {"Content-Type": kind})
        reason = _failure_reason(answer, instance.sop_instance_uid)
        if reason is not None:
            return _judged(reason)
        if _fails(answer, instance.sop_instance_uid):
            raise TransientDeliveryFailure(f"the server answered HTTP {answer.status} and a failure without its reason")
        if answer.status in (200, 202):
            return _warning(answer, instance.sop_instance_uid)
        message = f"the server answered HTTP {answer.status}"
        # A conflict without a reason is about the instance: another try meets it again.
        failure = PermanentDeliveryFailure if answer.status == 409 else failure_of(answer.status)
        raise failure(message)

    def holds(self, study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str) -> bool:
        """Ask by QIDO-RS whether the server holds an instance.

        Raises
        ------
        TransientDeliveryFailure
            When it cannot be reached or does not say.
        """
        keys = {
            "StudyInstanceUID": study_instance_uid,
            "SeriesInstanceUID": series_instance_uid,
            "SOPInstanceUID": sop_instance_uid,
        }
        answer = self._asked("GET", f"{self._base}/instances?{urlencode(keys)}", None, {})
        if answer.status == 204:
            return False
        found = _parsed(answer) if answer.status == 200 else None
        if not isinstance(found, list):
            raise TransientDeliveryFailure(f"the server answered a search with HTTP {answer.status}, and does not say")
        # A server may ignore a key that it does not support, and answer with others' instances.
        return any(_first(item, _SOP_INSTANCE_UID) == sop_instance_uid for item in found)

    def close(self) -> None:
        """Nothing is kept open between two requests."""

    def _asked(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> HttpAnswer:
        headers = {"Accept": _JSON, **login(self._destination), **headers}
        return exchanged(self._destination, method, url, body, headers, _MOST)


def _judged(reason: int) -> int:
    """Return the status of an instance that the server has, whatever it calls that.

    Raises
    ------
    TransientDeliveryFailure, PermanentDeliveryFailure
        When it has not.
    """
    if is_taken(reason):
        return reason
    failure = PermanentDeliveryFailure if is_permanent(reason) else TransientDeliveryFailure
    raise failure(f"the server answered Failure Reason 0x{reason:04X}", status=reason)


def _failure_reason(answer: HttpAnswer, uid: str) -> int | None:
    """Return why the server did not store the instance; None where it names no such reason."""
    return _of_instance(answer, _FAILED, uid, _FAILURE_REASON)


def _fails(answer: HttpAnswer, uid: str) -> bool:
    """Return whether a server that says it took the request names a failure, and not the instance among what it has."""
    said = _parsed(answer)
    has_failed = any(_values(said, sequence) for sequence in (_FAILED, _OTHER_FAILURES))
    is_stored = any(_first(item, _INSTANCE_UID) == uid for item in _values(said, _STORED))
    return answer.status in (200, 202) and has_failed and not is_stored


def _warning(answer: HttpAnswer, uid: str) -> int:
    return _of_instance(answer, _STORED, uid, _WARNING_REASON) or _SUCCESS


def _of_instance(answer: HttpAnswer, sequence: str, uid: str, attribute: str) -> int | None:
    for item in _values(_parsed(answer), sequence):
        value = _first(item, attribute)
        if _first(item, _INSTANCE_UID) == uid and isinstance(value, int):
            return value
    return None


def _parsed(answer: HttpAnswer) -> Any:
    """Return an answer's JSON; None where it has none."""
    try:
        return json.loads(answer.content)
    except (ValueError, RecursionError):
        return None


def _values(item: Any, attribute: str) -> list[Any]:
    """Return an attribute's values, in a data set as JSON that a stranger wrote (PS3.18 section F.2)."""
    element = item.get(attribute) if isinstance(item, dict) else None
    values = element.get("Value") if isinstance(element, dict) else None
    return values if isinstance(values, list) else []


def _first(item: Any, attribute: str) -> Any:
    return next(iter(_values(item, attribute)), None)
