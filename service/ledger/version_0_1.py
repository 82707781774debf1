"""The words that version 0.1 stored and compared, for rows that it wrote and for its processes beside ours (ADR 0023).

They fill the columns that this version replaced by codes; with those columns they go, a version later.
"""

from collections.abc import Sequence

from service.ledger.records import InstanceRecord, StudyRecord
from service.vocabulary.facts import Flag, Hold, Supersession

FLAGS = {
    Flag.BODY_PART_UNKNOWN: "body part unknown",
    Flag.VIEW_UNKNOWN: "view unknown",
    Flag.AGE_UNKNOWN: "patient age unknown",
    Flag.AGE_OUTSIDE: "patient age outside the validated range",
    Flag.FOR_PROCESSING: "for-processing image",
    Flag.UNLIKE_TRAINING: "unlike the images that the network was validated on",
}
HOLDS = {
    Hold.TWO_PATIENTS: "two patients under one Study Instance UID",
    Hold.CLASHING_INSTANCE: "another patient's image under one SOP Instance UID",
}
SUPERSESSIONS = {
    Supersession.IDENTITY_CORRECTED: "patient or study identity was corrected",
    Supersession.IMAGE_REPLACED: "the image was replaced",
    Supersession.ANALYSED_AGAIN: "the image was analysed again",
    Supersession.PERSON_DISAGREED: "a person disagreed with the AI result",
    Supersession.LATER_FAILED: "a later version could not be analysed",
}
#: What a worker was told by way of the flags, and of which `retry` left another form.
RELEASED = "released by a person"
AGAIN = "analysed again on a person's word"
RETRIED = "analysed again"

_FLAGS = {words: flag for flag, words in FLAGS.items()}
_HOLDS = {words: hold for hold, words in HOLDS.items()}
_SUPERSESSIONS = {words: reason for reason, words in SUPERSESSIONS.items()} | {RETRIED: Supersession.ANALYSED_AGAIN}


def flag_codes(words: Sequence[str]) -> list[str]:
    """Return the codes of stored flags, without what was meant for workers."""
    return [_FLAGS[word].value for word in words if word in _FLAGS]


def supersession_code(words: str | None) -> str | None:
    """Return the code of a stored reason for superseding."""
    return _SUPERSESSIONS[words].value if words in _SUPERSESSIONS else None


def hold_code(words: str | None) -> str | None:
    """Return the code of a stored reason for a hold."""
    return _HOLDS[words].value if words in _HOLDS else None


def flags_of(row: InstanceRecord) -> tuple[Flag, ...]:
    """Return the doubts under which an image was analysed, whichever version wrote the row."""
    codes = row.flag_codes if row.flag_codes is not None else flag_codes(row.flags)
    return tuple(flag for flag in Flag if flag.value in codes)


def keep_flags(row: InstanceRecord, flags: Sequence[Flag]) -> None:
    """Keep the doubts under which an image was analysed; what was meant for a worker ends with its work."""
    row.flag_codes = [flag.value for flag in flags]
    row.flags = [FLAGS.get(flag, flag.value) for flag in flags]


def supersession_of(row: InstanceRecord) -> Supersession | None:
    """Return why a version takes the place of an earlier one, whichever version of auscult wrote the row."""
    code = row.supersession or supersession_code(row.superseding_reason)
    return Supersession(code) if code is not None else None


def keep_supersession(row: InstanceRecord, reason: Supersession) -> None:
    """Keep why a version takes the place of an earlier one."""
    row.supersession, row.superseding_reason = reason.value, SUPERSESSIONS[reason]


def hold_of(study: StudyRecord) -> Hold | None:
    """Return why a study is on hold, whichever version put it there; None when it is not."""
    if study.held_reason is None:
        return None
    # A process of version 0.1 changes the words alone.
    return Hold(hold_code(study.held_reason) or study.hold or Hold.TWO_PATIENTS)
