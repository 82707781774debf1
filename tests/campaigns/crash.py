"""The crash campaign: processes are killed and servers taken away while images stream in; nothing may be lost.

``python -m tests.campaigns.crash --help``; `make crash` runs it.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.campaigns import record
from tests.campaigns.ending import end_in_order
from tests.campaigns.faults import Misfortune
from tests.campaigns.host_faults import host_faults
from tests.campaigns.recovery import Recovery
from tests.campaigns.site import ON_ONE_MACHINE, Engine, Site, site
from tests.campaigns.stream import Image, Modality, make_images
from tests.campaigns.verdict import find_faults

#: What a site without faults may take for an image on a slow machine, and for its start.
_SECONDS_AN_IMAGE, _SECONDS_BESIDE = 3.0, 120.0


@dataclass(frozen=True)
class Plan:
    """A campaign's parameters.

    Attributes
    ----------
    faults
        How many faults are dealt.
    pause_s
        Mean seconds between two of them.
    workers
        Listeners, inference workers and delivery workers, so many of each.
    archive
        Whether Orthanc is a second destination.
    """

    engine: Engine
    images: int = 300
    faults: int = 300
    pause_s: float = 0.4
    seed: int = 1
    workers: int = 2
    archive: bool = True


@dataclass(frozen=True)
class Outcome:
    """What a campaign found; `wrong` is empty when all is well."""

    plan: Plan
    wrong: list[str]
    table: str
    took_s: float
    attempts: int
    ended: list[tuple[str, int]]
    confirmed: dict[str, int]
    seconds: Mapping[str, list[float]]

    def run(self) -> record.Run:
        """Return it as it is kept."""
        plan, ended = self.plan, len(self.ended)
        numbers = plan.seed, plan.images, plan.faults, self.attempts, self.took_s, ended
        return record.Run(*numbers, self.confirmed, self.seconds, self.wrong)

    def text(self) -> str:
        """Return it in words."""
        plan = self.plan
        lines = [
            f"{plan.engine} mode, seed {plan.seed}: {plan.images} images in {self.attempts} attempts,",
            f"{plan.faults} faults with {plan.pause_s:g} s between them on average; {self.took_s:.0f} s in all",
            "",
            self.table,
            "",
            f"confirmed: {', '.join(f'{number} objects by {how}' for how, number in self.confirmed.items())}",
            f"{len(self.ended)} processes ended by themselves, as while their database was away",
            *(f"WRONG: {item}" for item in self.wrong),
            "nothing is lost, doubled or stuck" if not self.wrong else f"{len(self.wrong)} things are wrong",
        ]
        return "\n".join(lines)


def run(plan: Plan, folder: Path) -> Outcome:
    """Run a campaign in an empty folder."""
    (folder / "images").mkdir()
    images = make_images(folder / "images", plan.images, plan.seed)
    (folder / "site").mkdir()
    # What a killed listener left half received is swept away soon enough to be looked for at the end.
    sweep = {"incomplete_after": 15.0}
    with site(folder / "site", plan.engine, workers=plan.workers, archive=plan.archive, sweep=sweep) as running:
        return _run(plan, running, images)


def _run(plan: Plan, running: Site, images: list[Image]) -> Outcome:
    chance = random.Random(plan.seed)
    started = time.monotonic()
    recovery = Recovery()
    recovery.start()
    modality = Modality(
        running.ground.sender(),
        images,
        list(running.doors.values()),
        plan.faults * plan.pause_s,
        random.Random(plan.seed),
    )
    modality.start()
    Misfortune(running, recovery, chance, plan.pause_s, host_faults).deal(plan.faults)
    allowed_s = _SECONDS_BESIDE + _SECONDS_AN_IMAGE * plan.images
    wrong = []
    if not modality.wait(allowed_s):
        modality.stop()
        wrong.append(f"{len(images) - len(modality.acknowledged)} images are not acknowledged after {allowed_s:g} s")
    wrong += _rest(running, allowed_s)
    wrong += [f"not recovered: {kind}" for kind in recovery.finish()]
    wrong += find_faults(running, images, modality.acknowledged)
    took_s = time.monotonic() - started
    ended, confirmed = running.processes.ended, running.confirmations("C-FIND", "storage commitment")
    return Outcome(plan, wrong, recovery.table(), took_s, modality.attempts, ended, confirmed, recovery.seconds)


def _rest(running: Site, allowed_s: float) -> list[str]:
    """Wait until nothing is under way."""
    deadline = time.monotonic() + allowed_s
    while running.under_way() or running.half_received():
        if time.monotonic() > deadline:
            return [f"under way {allowed_s:g} s after the last fault: {running.gateway.unsettled()[:10]}"]
        time.sleep(0.5)
    return []


def main() -> None:
    """Run campaigns as the command line says; exit with 1 when anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", default="both", choices=[*Engine, "both"])
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--faults", type=int, help="as many as images by default")
    parser.add_argument("--pause", type=float, default=0.4, help="mean seconds between two faults")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="an empty folder for logs and data, which stay")
    parser.add_argument(
        "--record", type=Path, help="a file of runs to add this one to, and to write all into docs/proof.md"
    )
    chosen = parser.parse_args()
    failed = False
    for engine in ON_ONE_MACHINE if chosen.mode == "both" else [Engine(chosen.mode)]:
        plan = Plan(engine, chosen.images, chosen.faults or chosen.images, chosen.pause, chosen.seed)
        with tempfile.TemporaryDirectory(prefix="auscult-crash-") as temporary:
            folder = Path(temporary) if chosen.keep is None else chosen.keep / engine
            folder.mkdir(parents=True, exist_ok=True)
            outcome = run(plan, folder)
        print(outcome.text())  # noqa: T201 - a program
        if chosen.record is not None:
            record.add(outcome.run(), engine, chosen.record)
        failed = failed or bool(outcome.wrong)
    sys.exit(failed)


if __name__ == "__main__":
    end_in_order()
    main()
