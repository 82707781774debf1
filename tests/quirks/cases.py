"""The inputs of ``../shared/cases``: each script is run as its README says, and what it sent is looked for.

What is right stands in a script's first lines, and the table quotes it.
"""

import ast
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.ledger.records import InstanceRecord
from tests.journeys.gateway import REPOSITORY, destination
from tests.quirks import Collection, NotRight, Quirk
from tests.quirks.destinations import require_unconfirmable
from tests.quirks.target import Target, is_open
from tests.servers import free_port, wait_until

_FOLDER = REPOSITORY.parent / "shared" / "cases"
#: What the scripts share.
_NO_CASES = {"common.py", "net.py"}
#: This one is itself a destination, which auscult is pointed at.
_DESTINATION = "find_answered_with_an_error.py"
#: This one is about what the reports say.
_NAMED = "report_patient_name_ir58.py"
#: Tried by `make test` as well.
_QUICK = {"unknown_user_information_item.py", "voi_lut_narrower_than_declared.py"}
#: How a script tells that an image was acknowledged; one that writes PDUs by hand sends the same again and again.
_TAKEN = re.compile(r"(?:^|: C-STORE -> )0000\b")
_TAKEN_BY_HAND = re.compile(r": ACCEPT .* -> P-DATA \('0000', ''\) / RELEASE-RP$")
#: How a script tells that our own reader has read its image, and how well where it knows that.
_READ = re.compile(r": stored .* mean [\d.]+(?:, largest difference from right ([\d.]+) of 255)?$")


def _tried(script: Path, target: Target) -> str:
    """Run a script against the listener; every image that it sent must be read, analysed and reported."""
    before = {row.id for row in _instances(target)}
    taken = {image for line in _said(script, target) if (image := _image(line)) is not None}
    new = [row for row in _instances(target) if row.id not in before]
    if not taken or len(new) != len(taken):
        raise NotRight(f"{len(taken)} images acknowledged, {len(new)} in the ledger")
    for instance in new:
        row = target.analysed(instance.sop_instance_uid)
        if row.pixel_digest is None or row.reason is not None:
            raise NotRight(f"{row.state}: {row.reason or 'its pixels were not read'}")
        if not target.arrived(row.sop_instance_uid):
            raise NotRight(f"{row.state}, and no report has arrived")
    return f"{len(taken)} taken, decoded, analysed and reported"


def _said(script: Path, target: Target) -> list[str]:
    """Return the lines that a script writes."""
    ran = subprocess.run(
        [sys.executable, "-B", str(script), f"127.0.0.1:{target.port}"],
        env={**os.environ, "AUSCULT": str(REPOSITORY)},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if ran.returncode != 0:
        raise NotRight(f"the script ended with {ran.returncode}: {ran.stderr.strip()[-200:]}")
    return ran.stdout.splitlines()


def _image(line: str) -> str | None:
    """Return which image a line says was acknowledged; None when it says that one was read, and rightly."""
    if read := _READ.search(line):
        if float(read[1] or 0) < 1:
            return None
    elif _TAKEN_BY_HAND.search(line):
        return "by hand"
    elif _TAKEN.search(line):
        return line
    raise NotRight(line)


def _instances(target: Target) -> list[InstanceRecord]:
    with Session(target.gateway.ledger.engine) as session:
        return list(session.scalars(select(InstanceRecord).order_by(InstanceRecord.id)))


def _is_named(script: Path, target: Target) -> str:
    """Try a script; the reports on its last image must name the patient as PS3.5 Annex K.2 does."""
    happened = _tried(script, target)
    reports = target.arrived(_instances(target)[-1].sop_instance_uid, 3)
    names = {str(report.PatientName).rstrip("=") for report in reports}
    if len(reports) != 3 or names != {"Zhang^XiaoDong=张^小东"}:  # invented, by the standard
        raise NotRight(f"{len(reports)} reports with {len(names)} names, of which one at least is another")
    return f"{happened}; 3 objects have the image's name"


@dataclass(frozen=True)
class _Peer:
    """A script that is a destination, as a process.

    Attributes
    ----------
    output
        What it writes: a line for each C-FIND.
    destination
        The table of its settings.
    """

    output: Path
    destination: Mapping[str, Any]


@contextmanager
def _peers(folder: Path) -> Iterator[Mapping[str, _Peer]]:
    port, output = free_port(), folder / "output"
    with output.open("wb") as written:
        command = [sys.executable, "-B", str(_FOLDER / _DESTINATION), str(port)]
        process = subprocess.Popen(command, stdout=written, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_open(port), f"{_DESTINATION} listens", 60)
        table = destination(port, name="case", ae_title="QUIRK", reports=["text_sr"], confirm="find")
        yield {"case": _Peer(output, table)}
    finally:
        process.kill()
        process.wait(10)


def _is_unconfirmable(target: Target) -> str:
    require_unconfirmable(target, "case")
    return f"sent; cannot be confirmed, after {_finds(target)} C-FINDs"


def _finds(target: Target) -> int:
    """Return how often the destination was asked; it must be asked no more."""
    output = target.peers["case"].output
    asked = len(output.read_text().splitlines())
    time.sleep(2)
    if not 1 <= asked <= 40 or len(output.read_text().splitlines()) != asked:
        raise NotRight(f"asked {asked} times, and again after it was given up")
    return asked


def _quirk(script: Path) -> Quirk:
    text = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    right = re.search(r"Right: (.*?)\.*(?:\. |$)", text)
    source = re.search(r"Sources?: (.*?)\.?$", text)
    run: Callable[[Target], str] = partial(_is_named if script.name == _NAMED else _tried, script)
    return Quirk(
        f"shared/cases/{script.name}",
        "input that was handed over",
        source[1] if source else "the script's first lines",
        right[1] if right else "",
        _is_unconfirmable if script.name == _DESTINATION else run,
        slow=script.name not in _QUICK,
    )


def _scripts() -> list[Path]:
    """Return every case; the destination first, before it gets the reports on the others' images."""
    found = [path for path in _FOLDER.glob("*.py") if path.name not in _NO_CASES]
    return sorted(found, key=lambda path: (path.name != _DESTINATION, path.name))


COLLECTION = Collection(
    "cases",
    tuple(map(_quirk, _scripts())),
    settings={"delivery": {"confirm_give_up_after": 4.0}},
    peers=_peers,
    tolerated=False,
    lacks="" if _FOLDER.is_dir() else "there is no folder `shared/cases` beside the checkout",
)
