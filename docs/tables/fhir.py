"""The tables of FHIR in the conformance statement."""

from docs.tables import table
from worker.channels.fhir import PRIORITIES, SYSTEMS


def systems() -> str:
    """Return the code systems of the resources."""
    return table(("DICOM coding scheme", "system"), [(name, f"`{system}`") for name, system in SYSTEMS.items()])


def priorities() -> str:
    """Return what stands in a task for each priority of a study."""
    return table(
        ("priority", "Task.priority"), [(priority.name.lower(), f"`{code}`") for priority, code in PRIORITIES.items()]
    )
