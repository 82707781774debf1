"""The tables of work items in the DICOM conformance statement."""

from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.uid import UID

from docs.tables import table
from service.dicom.work_items.content import PERFORMED, PRIORITIES, SCHEDULED
from service.vocabulary.sop_classes import UPS_OFFERED
from service.vocabulary.work_items import WorkItemState, WorkItemStatus, answer_to_change

_UNPERFORMED = ("SOPClassUID", "SOPInstanceUID")


def sop_classes() -> str:
    """Return what the listener offers of work items."""
    rows = [(UID(uid).name, f"`{uid}`", "SCP", "Explicit and Implicit VR Little Endian") for uid in UPS_OFFERED]
    return table(("SOP class", "UID", "role", "transfer syntaxes"), rows)


def attributes() -> str:
    """Return what a work item says."""
    names = dict.fromkeys((*_UNPERFORMED, *SCHEDULED), "as scheduled")
    names |= dict.fromkeys(PERFORMED, "set by its performer")
    names["ProcedureStepState"] = "changed by N-ACTION"
    names["ScheduledProcedureStepPriority"] = ", ".join(
        f"`{term}` for {priority.name.lower()}" for priority, term in PRIORITIES.items()
    )
    rows = [
        (dictionary_description(keyword), _tag(keyword), what)
        for keyword, what in sorted(names.items(), key=lambda named: tag_for_keyword(named[0]) or 0)
    ]
    return table(("attribute", "tag", "value"), rows)


def statuses() -> str:
    """Return the statuses of answers about work items."""
    rows = [(f"`0x{status:04X}`", status.name.lower().replace("_", " ")) for status in WorkItemStatus]
    return table(("status", "meaning"), rows)


def changes() -> str:
    """Return what is answered to a change of state with the right Transaction UID, by the state that stands."""
    states = [state for state in WorkItemState if state is not WorkItemState.SCHEDULED]
    rows = [
        (now.value, *(f"`0x{answer_to_change(now, wanted, is_performer=True):04X}`" for wanted in states))
        for now in WorkItemState
    ]
    return table(("state", *(f"to {state.value}" for state in states)), rows)


def _tag(keyword: str) -> str:
    tag = tag_for_keyword(keyword) or 0
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
