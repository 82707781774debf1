"""A report set from templates against the same set by highdicom and pydicom alone: the same bytes, in turns.

What is printed is also written into docs/performance.md.

Usage: python -m benchmarks.bench_reports [--rounds 9] [--print]
"""

import argparse
import statistics
import time
from datetime import UTC, datetime

import numpy as np
from rich.console import Console

from benchmarks import document
from benchmarks.interleaved import measure
from service.demo.phantom import phantom_values
from service.report import Equipment, ReportContent, build
from service.report.build import drafts_of, recipe_of
from service.report.making.files import made
from service.vocabulary.findings import Finding, Outcome, Prediction
from service.vocabulary.report_kinds import IMAGE_KINDS, ReportKind
from service.vocabulary.states import Priority
from tests.phantoms import chest

_ROWS, _COLUMNS = 1100, 1400
_SETS = {
    "three objects": IMAGE_KINDS,
    "both documents": (ReportKind.TEXT_SR, ReportKind.MEASUREMENT_SR),
}


def main() -> None:
    """Measure, print the table, and write it into the document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--print", action="store_true", help="write nothing into the document")
    arguments = parser.parse_args()
    lines = [
        "| built and encoded | by highdicom alone, ms | from templates, ms | times faster |",
        "| --- | --- | --- | --- |",
    ]
    for outcome in (Outcome.POSITIVE, Outcome.NEGATIVE):
        lines += [_row(f"{outcome.value}, {name}", outcome, kinds, arguments.rounds) for name, kinds in _SETS.items()]
    lines += ["", f"Processor time, medians of {arguments.rounds} turns; a film of {_COLUMNS} x {_ROWS}."]
    lines += ["Its lung field, for a positive, and the picture are drawn either way."]
    table = "\n".join(lines)
    Console().print(table)
    if not arguments.print:
        document.write("reports", table)


def _row(name: str, outcome: Outcome, kinds: tuple[ReportKind, ...], rounds: int) -> str:
    source, display = chest(), phantom_values(1, _ROWS, _COLUMNS)
    what, equipment = _content(outcome), Equipment("1.0.0")

    def from_templates() -> list[bytes]:
        return [item.encoded() for item in build(source, display, what, kinds=kinds, equipment=equipment)]

    def by_highdicom() -> list[bytes]:
        drafts = drafts_of(source, display, what, kinds=kinds, equipment=equipment)
        return [made(draft.kind, recipe_of(draft)) for draft in drafts]

    if from_templates() != by_highdicom():
        raise SystemExit("the bytes are not the same")
    seconds = measure({"highdicom": by_highdicom, "templates": from_templates}, rounds, time.process_time)
    alone, templates = seconds["highdicom"], seconds["templates"]
    ratio = statistics.median(a / b for a, b in zip(alone, templates, strict=True))
    return f"| {name} | {_ms(alone)} | {_ms(templates)} | {ratio:.1f} |"


def _ms(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1e3:.1f}"


def _content(outcome: Outcome) -> ReportContent:
    positive = outcome is Outcome.POSITIVE
    cam = np.zeros((7, 7), dtype=np.float32)
    cam[3:5, 4:6] = 0.9
    normal = 0.04 if positive else 0.97
    result = Prediction(
        outcome=outcome,
        probabilities={"normal": normal, "bacteria": (1 - normal) * 0.8, "virus": (1 - normal) * 0.2},
        findings={"normal": Finding.NORMAL, "bacteria": Finding.BACTERIAL_PNEUMONIA, "virus": Finding.VIRAL_PNEUMONIA},
        p_pneumonia=1 - normal,
        pneumonia_type=None,
        operating_point="balanced",
        lower=0.3,
        upper=0.6,
        prevalence=0.2,
        checkpoint_name="resnet50-three-class",
        checkpoint_version="0.3.0",
        checkpoint_digest="ab" * 32,
        transform="squash 224",
        input_digest="cd" * 32,
        cam=cam,
    )
    return ReportContent(
        outcome=outcome,
        prediction=result,
        reason=None,
        flags=(),
        priority=Priority.URGENT if positive else Priority.ROUTINE,
        priority_source=None,
        content_time=datetime(2026, 11, 22, tzinfo=UTC),
        pixel_digest="1" * 64,
        identity_digest="2" * 64,
        limits="frontal views alone",
        population="children of 1 to 5 years",
    )


if __name__ == "__main__":
    main()
