"""What ledger, worker and readers' texts call the same things: closed codes, never sentences.

A code is stored and compared; what a person reads is looked up by it (`service.texts`). Changing a word there changes
no judgement, and no code is ever given another meaning.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why an image is not analysed."""

    NOT_AN_IMAGE = "not_an_image"
    MODALITY = "modality"
    SECONDARY_CAPTURE = "secondary_capture"
    MULTI_FRAME = "multi_frame"
    COLOUR = "colour"
    FOR_PROCESSING = "for_processing"
    NOT_CHEST = "not_chest"
    BODY_PART_UNKNOWN = "body_part_unknown"
    LATERAL_VIEW = "lateral_view"
    OBLIQUE_VIEW = "oblique_view"
    DECUBITUS_VIEW = "decubitus_view"
    VIEW_UNKNOWN = "view_unknown"
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"
    AGE_OUTSIDE = "age_outside"
    AGE_UNKNOWN = "age_unknown"
    NO_PIXEL_DATA = "no_pixel_data"
    PIXELS_UNDECODABLE = "pixels_undecodable"
    BLANK = "blank"
    UPSIDE_DOWN = "upside_down"
    UNLIKE_TRAINING = "unlike_training"
    PERSON_DISAGREED = "person_disagreed"
    """It was analysed, and the result is withdrawn on a person's word."""


class Failure(StrEnum):
    """What was given up of an image; the second kind of code in the ledger's `reason`."""

    ANALYSIS_FAILED = "analysis_failed"
    REPORT_FAILED = "report_failed"
    STUDY_REPORT_FAILED = "study_report_failed"
    """Its own reports are built; one of its study, which another image has left, could not be."""
    DELIVERY_FAILED = "delivery_failed"


class Flag(StrEnum):
    """A doubt under which an image was analysed all the same; readers are shown it."""

    BODY_PART_UNKNOWN = "body_part_unknown"
    VIEW_UNKNOWN = "view_unknown"
    AGE_UNKNOWN = "age_unknown"
    AGE_BY_ORDER = "age_by_order"
    """The image tells no age, and the birth date of its order does."""
    AGE_OUTSIDE = "age_outside"
    FOR_PROCESSING = "for_processing"
    UPSIDE_DOWN = "upside_down"
    UNLIKE_TRAINING = "unlike_training"
    ACTIVATION_OFF_LUNGS = "activation_off_lungs"
    LUNG_FIELD_NOT_FOUND = "lung_field_not_found"


class Hold(StrEnum):
    """Why nothing of a study is sent until a person decides."""

    TWO_PATIENTS = "two_patients"
    """Its images name two patients."""
    CLASHING_INSTANCE = "clashing_instance"
    """One of its images came again under its SOP Instance UID with another patient's pixels."""


class Supersession(StrEnum):
    """Why a version of an image takes the place of an earlier one."""

    IDENTITY_CORRECTED = "identity_corrected"
    IMAGE_REPLACED = "image_replaced"
    ANALYSED_AGAIN = "analysed_again"
    PERSON_DISAGREED = "person_disagreed"
    """The result was withdrawn."""
    LATER_FAILED = "later_failed"
    """The later version could not be analysed; what the earlier one says may be of another identity."""


class PrioritySource(StrEnum):
    """Who says how urgent a study is."""

    DEFAULT = "default"
    PREDICTION = "prediction"
    C_STORE = "C-STORE priority"
    AE_TITLE = "AE title map"
    ORDER = "order"
    """What the RIS says of the order."""


class Standing(StrEnum):
    """How far the AI got with a study or an image; the first that applies to one of its images is the study's."""

    HELD = "held"
    POSITIVE = "positive"
    INDETERMINATE = "indeterminate"
    FAILED = "failed"
    WAITING = "waiting"
    NOT_ANALYSED = "not analysed"
    NEGATIVE = "negative"


class Shelf(StrEnum):
    """Which of all studies a list shows."""

    OPEN = "open"
    """Those that nobody has read."""
    LATE = "late"
    """Those that were read before an image or a result came."""
    READ = "read"
    SHADOW = "shadow"
    """Those whose every image was received in shadow; they stand on no other list."""


class Day(StrEnum):
    """Which arrivals the list shows."""

    RECENT = "recent"
    """Those of the last days, as many as the site's settings say."""
    TODAY = "today"
    YESTERDAY = "yesterday"
    OLDER = "older"
    ALL = "all"


class Sort(StrEnum):
    """What a list is sorted by."""

    RANK = "rank"
    """The order of reading; of what was read, the last reading first."""
    OLDEST = "oldest"
    NEWEST = "newest"
    PRIORITY = "priority"


class Searched(StrEnum):
    """What free text is looked for in."""

    ACCESSION = "accession"
    NAME = "name"
    PATIENT_ID = "patient_id"


class Discipline(StrEnum):
    """Which study is read next."""

    FIRST_COME = "first-come"
    OURS = "bounded"
    """Priorities move a study forward by a bounded boost: the order of the worklist."""
    STRICT = "strict priority"


class CloseSource(StrEnum):
    """Who says that a study was read."""

    PAGE = "page"
    """A person, on the page."""
    COMMAND = "command"
    """A person, by `auscult close`."""
    FINAL_REPORT = "final report"
    """A document of a person in the study that the PACS forwarded."""
    HL7 = "HL7"
    UPS = "UPS"
    ORDER_CANCELLED = "order cancelled"
    """Nobody has read it, and nobody is to."""


class Opinion(StrEnum):
    """What a person says of an AI result."""

    AGREE = "agree"
    DISAGREE = "disagree"
    NOT_ASSESSABLE = "not_assessable"
    """The image does not allow to tell."""


class LeftOut(StrEnum):
    """Why a result that people said something of is not in an exported data set."""

    NO_LABEL = "no_label"
    """Nothing that was said tells what the image shows."""
    CONTRADICTION = "contradiction"
    NO_CLASS = "no_class"
    """The checkpoint has no class for what was said."""
    NO_PIXELS = "no_pixels"
    BURNED_IN = "burned_in"


class Grouping(StrEnum):
    """What people's opinions are counted by."""

    OVERALL = "overall"
    MONTH = "month"
    OUTCOME = "outcome"
    AE_TITLE = "ae_title"
    MACHINE = "machine"


class MessageEvent(StrEnum):
    """What a system outside can be told by a message; a closed set, whatever the channel."""

    RESULT = "result"
    """An image was analysed, or it is settled that it is not."""
    REPORTS_BUILT = "reports_built"
    """The report set of an image was built."""
    PRIORITY_RAISED = "priority_raised"
    """A study became more urgent."""
    STUDY_READ = "study_read"
    """A study was read by a person."""
    RESULT_SUPERSEDED = "result_superseded"
    """What was told of an image does not hold any more; a later version took its place."""


class EventKind(StrEnum):
    """A line of an image's history."""

    RECEIVED = "received"
    RECEIVED_AGAIN = "received again"
    CLAIMED = "claimed"
    LEASE_EXPIRED = "lease expired"
    GIVEN_BACK = "released"
    """By a worker, unharmed."""
    ATTEMPT_FAILED = "attempt failed"
    INFERRED = "inferred"
    PREDICTION_REUSED = "prediction reused"
    OUT_OF_SCOPE = "out of scope"
    DUPLICATE = "duplicate"
    HELD = "held"
    STUDY_HELD = "study held"
    STUDY_RELEASED = "study released"
    LET_GO = "let go"
    """A held image, by a person."""
    STUDY_CLOSED = "study read"
    STUDY_REOPENED = "study opened again"
    READING_CLAIMED = "reading claimed"
    """By a workstation, as a work item."""
    READING_LEFT = "reading left"
    """By a workstation that canceled its work item, or of which nothing was heard."""
    CAME_AFTER_READING = "came after the study was read"
    FEEDBACK_GIVEN = "feedback given"
    FLAG_WITHDRAWN = "flag withdrawn"
    ORDER_HEARD = "order heard"
    ORDER_NOT_USED = "order not used"
    """Something is against its being of the study."""
    REANALYSIS_ASKED = "to be analysed again"
    RETRIED = "retried"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    REPORTS_BUILT = "reports built"
    REPORTS_PUT_OFF = "reports put off"
    REPORT_ATTEMPT_FAILED = "report attempt failed"
    REPORT_FAILED = "report failed"
    SENT = "sent"
    PUT_OFF = "put off"
    REPLACED = "replaced"
    """An object that the destination does not accept, by one of another SOP class."""
    DEAD = "dead"
    ABANDONED = "abandoned"
    """By a person, who has taken the destination away."""
    MISSING = "missing"
    NOT_CONFIRMABLE = "not confirmable"
    COMMITMENT_REQUESTED = "commitment requested"
    NOT_COMMITTED = "not committed"
    CONFIRMED = "confirmed"
    STILL_HELD = "still held"
    REDELIVERY = "to be delivered again"
    """A destination has lost what it had said to hold."""
    DELIVERED = "delivered"
    BYTES_REMOVED = "bytes removed"
