"""What campaigns have shown, kept in a file so that several shorter runs make one table of docs/proof.md."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import document
from tests.campaigns.recovery import times_table


@dataclass(frozen=True)
class Run:
    """One campaign.

    Attributes
    ----------
    ended
        Processes that ended by themselves.
    confirmed
        How many objects were confirmed, by how.
    seconds
        Until the effect of each fault was gone, by kind of fault.
    """

    seed: int
    images: int
    faults: int
    attempts: int
    took_s: float
    ended: int
    confirmed: Mapping[str, int]
    seconds: Mapping[str, Sequence[float]]
    wrong: Sequence[str]


def add(run: Run, name: str, file: Path) -> None:
    """Add a campaign to a file of them, and write what they all say to its place in docs/proof.md."""
    runs = [Run(**item) for item in json.loads(file.read_text())] if file.exists() else []
    runs.append(run)
    file.write_text(json.dumps([asdict(one) for one in runs], indent=1))
    document.write(name, markdown(runs), "proof.md")


def markdown(runs: Sequence[Run]) -> str:
    """Return what campaigns have shown together."""
    seconds: dict[str, list[float]] = defaultdict(list)
    confirmed: Counter[str] = Counter()
    for run in runs:
        confirmed.update(run.confirmed)
        for kind, values in run.seconds.items():
            seconds[kind] += values
    images, faults, attempts = (sum(getattr(run, name) for run in runs) for name in ("images", "faults", "attempts"))
    wrong = [item for run in runs for item in run.wrong]
    sentences = [
        f"Seen: {images} images, acknowledged after {attempts} attempts, and {faults} faults,",
        "in " + ", ".join(f"{run.took_s:.0f} s with seed {run.seed}" for run in runs) + ".",
        " and ".join(f"{number} objects were confirmed by {how}" for how, number in confirmed.items()) + ".",
        f"Processes that ended by themselves and were started again: {sum(run.ended for run in runs)}.",
        "Nothing was lost, doubled or stuck." if not wrong else f"Wrong: {'; '.join(wrong)}.",
    ]
    return "\n".join([*sentences, "", times_table(seconds)])
