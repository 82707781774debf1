"""Every error auscult raises on purpose, as one tree.

::

    AuscultError
    ├── SettingsInvalid
    │   └── PortTaken
    ├── RefusedObject                 the peer's object is at fault; carries the status for it
    │   ├── NotDicom                  0xC000
    │   ├── MissingAttribute          0xC001
    │   ├── InvalidUid                0xC002
    │   ├── ContradictsSopClass       0xA900
    │   ├── ContradictsStudy          0xC003
    │   ├── UnsupportedSopClass       0x0122
    │   ├── UnsupportedTransferSyntax 0xC122
    │   └── ObjectTooLarge            0xC010
    ├── UndecodablePixels             the pixels cannot be read; the image is reported as not analysed
    │   └── PixelsTooLarge
    ├── Unavailable                   a resource is at fault; the same call may succeed later; 0xA700
    │   ├── StoreUnavailable
    │   ├── StoreFull
    │   └── LedgerUnavailable
    │       └── LedgerDamaged         only a copy mends it
    ├── LedgerConflict
    │   ├── IllegalTransition
    │   ├── LeaseLost
    │   ├── StudyChanged
    │   └── TooManyWaiting
    ├── ObjectMissing
    ├── ObjectDamaged
    ├── ContradictoryIdentity
    ├── ReportNotMade
    ├── CheckpointInvalid
    └── DeliveryFailed
        ├── TransientDeliveryFailure  worth another try
        └── PermanentDeliveryFailure  another try would fail alike

An error's docstring is its default message. No message ever holds patient data: UIDs and tag
names are the most that one may say.
"""

import inspect


class AuscultError(Exception):
    """Something went wrong in auscult.

    Parameters
    ----------
    message
        What, where and what to do: a text, or a sentence of `service.texts`, which the log has in English and a
        terminal in its own language.
    """

    def __init__(self, message: object = None) -> None:
        super().__init__(str(message) if message is not None else inspect.getdoc(type(self)))
        self.message = message


class SettingsInvalid(AuscultError):
    """The settings cannot be used as they are."""


class PortTaken(SettingsInvalid):
    """Another program has the port."""


class RefusedObject(AuscultError):
    """The object was refused."""

    #: The C-STORE response status, PS3.4 Table B.2-1.
    status: int = 0xC000


class NotDicom(RefusedObject):
    """The data set cannot be parsed as DICOM."""


class MissingAttribute(RefusedObject):
    """An attribute that identifies the instance is absent or empty."""

    status = 0xC001


class InvalidUid(RefusedObject):
    """A UID is not a valid DICOM UID."""

    status = 0xC002


class ContradictsSopClass(RefusedObject):
    """The data set contradicts the SOP class or instance that the request named."""

    status = 0xA900


class ContradictsStudy(RefusedObject):
    """The data set is of another study than the one that the request named."""

    status = 0xC003


class UnsupportedSopClass(RefusedObject):
    """Such objects are not taken; `listener.other_objects` says which are."""

    #: PS3.18 Table I.2-2: over an association the presentation context is refused instead.
    status = 0x0122


class UnsupportedTransferSyntax(RefusedObject):
    """No object of this SOP class is taken in this transfer syntax."""

    #: PS3.18 Table I.2-2.
    status = 0xC122


class ObjectTooLarge(RefusedObject):
    """The object is larger than the limit in the settings."""

    status = 0xC010


class UndecodablePixels(AuscultError):
    """The pixel data cannot be decoded."""


class PixelsTooLarge(UndecodablePixels):
    """The image has more pixels than the limit in the settings."""


class Unavailable(AuscultError):
    """A resource is unavailable for now."""

    #: The C-STORE response status, PS3.4 Table B.2-1: out of resources.
    status: int = 0xA700


class StoreUnavailable(Unavailable):
    """The object store cannot be written."""


class StoreFull(Unavailable):
    """The disk's free space is below the reserve."""


class LedgerUnavailable(Unavailable):
    """The database cannot be reached or written."""


class LedgerDamaged(LedgerUnavailable):
    """What the database holds is damaged; restore it from a backup."""


class LedgerConflict(AuscultError):
    """The ledger does not allow this change."""


class IllegalTransition(LedgerConflict):
    """The instance cannot go from its state to the one asked for."""


class LeaseLost(LedgerConflict):
    """The lease on the row has expired or belongs to another worker."""


class StudyChanged(LedgerConflict):
    """The study is not any more what was read of it; read it again."""


class TooManyWaiting(LedgerConflict):
    """Too many of such requests wait for their answers."""


class ObjectMissing(AuscultError):
    """The object is not in the store; retention may have removed it."""


class ObjectDamaged(AuscultError):
    """The object's bytes are not those that were stored; restore it from a backup."""


class ContradictoryIdentity(AuscultError):
    """The stored object names another patient or study than the ledger; no report is built."""


class ReportNotMade(AuscultError):
    """No report can be made of this content."""


class CheckpointInvalid(AuscultError):
    """The checkpoint cannot be used."""


class DeliveryFailed(AuscultError):
    """The object could not be delivered."""

    def __init__(self, message: str | None = None, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class TransientDeliveryFailure(DeliveryFailed):
    """The destination could not take the object for now."""

    def __init__(self, message: str | None = None, *, status: int | None = None, in_doubt: bool = False) -> None:
        super().__init__(message, status=status)
        #: Whether the object was under way: the destination may still be taking it.
        self.in_doubt = in_doubt


class PermanentDeliveryFailure(DeliveryFailed):
    """The destination refused the object for good."""
