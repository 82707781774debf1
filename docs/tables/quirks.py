"""What is tolerated of devices, archives and strangers, from the table of inputs that `make quirks` tries."""

from docs.tables import table
from tests.quirks import collections


def tolerated() -> str:
    """Return every input whose collection concerns DICOM, with what happens and who says that it is right."""
    rows = [
        (quirk.kind, quirk.name, quirk.right, quirk.source)
        for collection in collections()
        if collection.tolerated
        for quirk in collection.quirks
    ]
    return table(("kind", "input", "what happens", "source"), rows)
