"""What a RIS says of an order: that it exists, was cancelled, or that its study was read; and whose it is."""

from dataclasses import dataclass
from enum import StrEnum

from service.vocabulary.states import Priority

#: Orders of one message: each holds two locks of the ledger until the message is kept, and a site has some thousands.
MOST_ORDERS = 200

#: What devices and people write where there is no accession number, in letters and digits alone, without case. A zero,
#: or several, and any number of X are none either.
PLACEHOLDERS = frozenset(
    {
        *("1", "na", "nil", "no", "none", "null", "nan", "unk", "unknown", "undefined", "unassigned", "missing"),
        *("notavailable", "notapplicable", "noaccession", "noaccessionnumber", "accession", "accessionnumber"),
        *("test", "dummy", "default", "temp", "tbd", "anonymous", "anonymized", "removed"),
    }
)


def accession_of(value: str) -> str:
    """Return the accession number that an image or an order has, at most 64 characters; empty for a placeholder.

    What many devices write alike names no order: by it the orders of one patient would be taken for another's.
    """
    number = value.strip()[:64]
    bare = "".join(filter(str.isalnum, number)).casefold()
    return number if bare.strip("0") and bare.strip("x") and bare not in PLACEHOLDERS else ""


class OrderEvent(StrEnum):
    """What became of an order."""

    ORDERED = "ordered"
    """It was placed, or changed."""
    CANCELLED = "cancelled"
    READ = "read"
    """Its result is final: a person has read the study."""


class OrderState(StrEnum):
    """What the ledger made of what was said."""

    WAITING = "waiting"
    """There is no study yet that it is of."""
    USED = "used"
    NOT_USED = "not_used"
    """A study may be meant, and something is against it."""


class OrderProblem(StrEnum):
    """Why what was said of an order is not used for a study that it names."""

    PATIENT_ID = "patient_id"
    NAME = "name"
    BIRTH_DATE = "birth_date"
    NO_PATIENT_ID = "no_patient_id"
    """The order or the study has none, and the accession number alone proves nothing."""
    STUDY_HELD = "study_held"
    SEVERAL_STUDIES = "several_studies"
    """Of one accession number and patient, and nothing says which."""


@dataclass(frozen=True)
class OrderedPatient:
    """Whom an order is for; never logged.

    Attributes
    ----------
    ids
        Patient IDs with the names of their issuers; the latter empty where none is said.
    names
        The same name in several ways of writing, each in the components of a DICOM person name.
    birth_date
        YYYYMMDD, or empty.
    """

    ids: tuple[tuple[str, tuple[str, ...]], ...] = ()
    names: tuple[str, ...] = ()
    birth_date: str = ""

    def __repr__(self) -> str:
        return "OrderedPatient(...)"


@dataclass(frozen=True)
class HeardOrder:
    """What one message says of one order; texts are empty where it does not say.

    Attributes
    ----------
    priority
        None where the message names none that is known.
    indication
        Why the study is asked for, in words.
    """

    event: OrderEvent
    patient: OrderedPatient
    study_instance_uid: str = ""
    accession_number: str = ""
    priority: Priority | None = None
    indication: str = ""
    patient_class: str = ""


@dataclass(frozen=True)
class HeardMessage:
    """A message of a RIS.

    Attributes
    ----------
    sender
        Application and facility.
    message_id
        The sender's own number of it.
    digest
        SHA-256 (hex) of what it says: a sender may begin to count anew.
    """

    sender: str
    message_id: str
    digest: str
    orders: tuple[HeardOrder, ...]
