"""Associations to destinations: C-STORE what was built, C-FIND whether it is held, C-ECHO whether anyone is there."""

from pydicom import Dataset
from pydicom.uid import UID

from service.dicom.instance_file import InstanceFile
from service.dicom.kept_association import NO_ANSWER, KeptAssociation, broken
from service.dicom.release import discard_unsent
from service.settings import NodeSettings
from service.vocabulary.errors import PermanentDeliveryFailure, TransientDeliveryFailure
from service.vocabulary.report_kinds import REPORT_SOP_CLASSES
from service.vocabulary.sop_classes import STUDY_ROOT_FIND, VERIFICATION

_DESTINATION_SOP_CLASSES = (*REPORT_SOP_CLASSES, STUDY_ROOT_FIND, VERIFICATION)

#: The peer has an instance of this UID already (PS3.7 Annex C): whether it is this one, it can be asked.
DUPLICATE_INSTANCE = 0x0111
#: C-STORE response statuses of an object that the peer took: success, warnings (PS3.4 Table B.2-1, PS3.7 Annex C)
#: and the duplicate.
_TAKEN = {0x0000, 0x0001, 0x0107, DUPLICATE_INSTANCE, 0x0116}
#: Those that another try cannot change: they are about the object or the service (PS3.7 Annex C).
_PERMANENT = {
    *(0x0105, 0x0106, 0x0112, 0x0113, 0x0114, 0x0115, 0x0117, 0x0118, 0x0119),
    *(0x0120, 0x0121, 0x0122, 0x0123, 0x0124, 0x0211, 0x0212),
}

#: Why a destination that is to be asked by C-FIND cannot be.
NO_FIND = 'the destination offers no C-FIND; set its `confirm` to "none"'


class DestinationAssociation(KeptAssociation):
    """A kept association to a destination of reports."""

    def __init__(self, destination: NodeSettings, calling_ae_title: str) -> None:
        super().__init__(destination, calling_ae_title, _DESTINATION_SOP_CLASSES)

    def store(self, instance: InstanceFile) -> int:
        """Send an instance; return the status of one that the destination took (PS3.4 Table B.2-1).

        Raises
        ------
        TransientDeliveryFailure
            When the destination cannot be reached, does not answer, or is out of resources.
        PermanentDeliveryFailure
            When it refuses the object itself.
        """
        association = self._established()
        why = NO_ANSWER
        try:
            status = association.send_encoded(instance)
        except (RuntimeError, OSError) as error:
            status, why = None, broken(error)
        if status is None:
            # The destination may have it, or be about to.
            discard_unsent(association)
            self.abort()
            raise TransientDeliveryFailure(why, in_doubt=True)
        if is_taken(status):
            return status
        message = f"the destination answered status 0x{status:04X}"
        if is_permanent(status):
            raise PermanentDeliveryFailure(message, status=status)
        raise TransientDeliveryFailure(message, status=status)

    def holds(self, study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str) -> bool:
        """Ask by C-FIND (Study Root, image level; PS3.4 C.6.2.1) whether the destination holds an instance.

        Raises
        ------
        TransientDeliveryFailure
            When it cannot be reached or answers with a failure.
        """
        query = instance_query(study_instance_uid, series_instance_uid, sop_instance_uid)
        found = False
        try:
            for response, identifier in self._established().find(query, UID(STUDY_ROOT_FIND)):
                status = self._status(response)
                if status not in (0x0000, 0xFF00, 0xFF01):
                    raise TransientDeliveryFailure(
                        f"the destination answered C-FIND with status 0x{status:04X}", status=status
                    )
                # Some archives ignore a key that they do not support, and answer with others' instances.
                found = found or (identifier is not None and identifier.get("SOPInstanceUID") == sop_instance_uid)
        except (RuntimeError, OSError) as error:
            self.abort()
            raise TransientDeliveryFailure(broken(error)) from None
        return found

    def echo(self) -> None:
        """Send a C-ECHO.

        Raises
        ------
        TransientDeliveryFailure
            When the destination cannot be reached or does not answer with success.
        """
        status = self._status(self._established().send_c_echo())
        if status != 0x0000:
            raise TransientDeliveryFailure(f"the destination answered C-ECHO with status 0x{status:04X}", status=status)


def is_taken(status: int) -> bool:
    """Return whether a status says that the peer has the object."""
    return status in _TAKEN or status & 0xF000 == 0xB000


def is_permanent(status: int) -> bool:
    """Return whether a status of failure is about the object, so that another try meets it again."""
    return status in _PERMANENT or status & 0xFF00 == 0xA900 or status & 0xF000 == 0xC000


def instance_query(study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str) -> Dataset:
    """Return the identifier of a C-FIND for one instance (Study Root, PS3.4 C.6.2.1)."""
    query = Dataset()
    query.QueryRetrieveLevel = "IMAGE"
    query.StudyInstanceUID = study_instance_uid
    query.SeriesInstanceUID = series_instance_uid
    query.SOPInstanceUID = sop_instance_uid
    return query
