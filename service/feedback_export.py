"""What people said of results as a labelled data set, without a trace of whose the images are.

Written are pixels as shown, labels, and keys drawn at random for this one export: no attribute of any data set, no
date, no UID, no order of arrival. Which key is whose is kept nowhere.

References
----------
PS3.15 section E.2, Basic Application Level Confidentiality Profile: all attributes of its table are absent. Text burned
into the pixels is not looked for (its Clean Pixel Data Option is not claimed); images that say they have some are left
out.
"""

import csv
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO, StringIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from service.dicom.pixels import decode, read_instance
from service.ledger import LabelledResult
from service.objects import ObjectStore
from service.vocabulary.errors import ObjectDamaged, ObjectMissing, UndecodablePixels
from service.vocabulary.facts import LeftOut, Opinion
from service.vocabulary.findings import Finding, Outcome

#: The columns that `auscult train` and `auscult evaluate` read, and what the AI said.
COLUMNS = ("file", "class", "group", "split", "ai_outcome", "ai_probability")
#: One patient in so many of a class is kept for validation, and of two at least one.
_KEPT_APART = 5

_PNEUMONIA = frozenset({Finding.PNEUMONIA, Finding.BACTERIAL_PNEUMONIA, Finding.VIRAL_PNEUMONIA})
_OPPOSITE = {Outcome.POSITIVE: Finding.NORMAL, Outcome.NEGATIVE: Finding.PNEUMONIA}


def export_feedback(
    results: Iterable[LabelledResult],
    store: ObjectStore,
    folder: Path,
    *,
    with_pixels: bool,
    two_classes: bool,
    maximum_pixels: int,
) -> Counter[LeftOut | None]:
    """Write the data set into a folder that is empty or not there; return how many images, and how many were left out.

    Parameters
    ----------
    two_classes
        Name the classes normal and pneumonia; else the classes are those of the checkpoint that judged an image.

    Raises
    ------
    FileExistsError
        When the folder holds something.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(folder)
    newest = {result.instance.sop_instance_uid: result for result in results}
    counts: Counter[LeftOut | None] = Counter()
    rows, groups = [], dict[str, str]()
    for result in newest.values():
        named = class_of(result, two_classes=two_classes)
        picture = _picture(result, store, maximum_pixels) if with_pixels and not isinstance(named, LeftOut) else b""
        left_out = next((each for each in (named, picture) if isinstance(each, LeftOut)), None)
        counts[left_out] += 1
        if left_out is None and result.instance.result is not None and isinstance(picture, bytes):
            patient = result.instance.identity.patient_digest() or result.instance.sop_instance_uid
            name = f"{secrets.token_hex(8)}.png"
            if with_pixels:
                _write(folder / name, picture)
            said = result.instance.result
            group = groups.setdefault(patient, secrets.token_hex(8))
            rows.append((name, str(named), group, said.outcome.value, f"{said.p_pneumonia:.4f}"))
    # By their names, which are random: in the order of the ledger a row would tell when its image came.
    splits = _splits([(named, group) for _, named, group, *_ in rows])
    table = [(name, named, group, splits[group], *said) for name, named, group, *said in sorted(rows)]
    _write(folder / "manifest.csv", _table(table))
    return counts


def _splits(rows: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the split of each patient's group, from rows of class and group; whatever is trained needs both splits."""
    found: dict[str, str] = {}
    for named in sorted({named for named, _ in rows}):
        groups = sorted({group for other, group in rows if other == named} - found.keys())
        found |= {group: "val" if place % _KEPT_APART == 1 else "train" for place, group in enumerate(groups)}
    return found


def class_of(result: LabelledResult, *, two_classes: bool) -> str | LeftOut:
    """Return the class that people agree an image is of, or why it has none."""
    summary = result.instance.result
    if summary is None:
        return LeftOut.NO_LABEL
    findings = set(_findings(result.said, summary.outcome, summary.pneumonia_type))
    if two_classes:
        findings = {Finding.PNEUMONIA if finding in _PNEUMONIA else finding for finding in findings}
    if len(findings) > 1 and findings <= _PNEUMONIA:
        findings -= {Finding.PNEUMONIA}  # who names the type says no less
    if not findings:
        return LeftOut.NO_LABEL
    if len(findings) > 1:
        return LeftOut.CONTRADICTION
    (finding,) = findings
    if two_classes:
        return finding.value
    names = [name for name, meaning in summary.findings.items() if meaning is finding]
    return names[0] if names else LeftOut.NO_CLASS


def _findings(
    said: Sequence[tuple[Opinion, Finding | None]], outcome: Outcome, pneumonia_type: Finding | None
) -> Iterator[Finding]:
    """Yield what each person sees: what was named, or else what follows from the opinion on the result."""
    agreed: Mapping[Outcome, Finding] = {
        Outcome.POSITIVE: pneumonia_type or Finding.PNEUMONIA,
        Outcome.NEGATIVE: Finding.NORMAL,
    }
    for opinion, finding in said:
        if opinion is Opinion.NOT_ASSESSABLE:
            continue
        follows = agreed if opinion is Opinion.AGREE else _OPPOSITE
        sees = finding or follows.get(outcome)
        if sees is not None:
            yield sees


def _picture(result: LabelledResult, store: ObjectStore, maximum_pixels: int) -> bytes | LeftOut:
    """Return the image as shown, as a PNG of 16 bits without any other chunk than its pixels need."""
    try:
        dataset = read_instance(BytesIO(store.read(result.instance.object_key)))
        if str(dataset.get("BurnedInAnnotation") or "").strip().upper() == "YES":
            return LeftOut.BURNED_IN
        shown: NDArray[np.float32] = decode(dataset, max_pixels=maximum_pixels).display()
    except (ObjectMissing, ObjectDamaged, UndecodablePixels):
        return LeftOut.NO_PIXELS
    _, encoded = cv2.imencode(".png", np.rint(shown * 65535).astype(np.uint16))
    return encoded.tobytes()


def _table(rows: Sequence[Sequence[str]]) -> bytes:
    written = StringIO()
    csv.writer(written, lineterminator="\n").writerows([COLUMNS, *rows])
    return written.getvalue().encode()


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
