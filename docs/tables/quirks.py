"""What is tolerated of devices, archives and strangers, from the table of inputs that `make quirks` tries."""

from docs.tables import table
from tests.quirks import Quirk, collections

#: Names of inputs in a row.
_EXAMPLES = 3


def tolerated() -> str:
    """Return a row for each kind of input that concerns DICOM and each thing that happens to members of it."""
    quirks = [quirk for collection in collections() if collection.tolerated for quirk in collection.quirks]
    alike: dict[tuple[str, str], list[Quirk]] = {}
    for quirk in quirks:
        alike.setdefault((quirk.kind, quirk.right), []).append(quirk)
    kinds = list(dict.fromkeys(quirk.kind for quirk in quirks))
    ordered = sorted(alike.items(), key=lambda item: kinds.index(item[0][0]))
    rows = [(kind, *_members(members), right) for (kind, right), members in ordered]
    return table(("kind", "inputs", "among them", "source", "what happens"), rows)


def _members(quirks: list[Quirk]) -> tuple[str, str, str]:
    """Return how many inputs are of a kind, the names of some, from its beginning, middle and end, and the sources."""
    step = max(1, len(quirks) // _EXAMPLES)
    names = [quirk.name for quirk in quirks[::step][:_EXAMPLES]]
    return str(len(quirks)), "; ".join(names), "; ".join(dict.fromkeys(quirk.source for quirk in quirks))
