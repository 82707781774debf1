"""Write the generated parts of the documents anew: `make docs`.

A generated part stands between two comments, ``<!-- generated: NAME -->`` and ``<!-- end -->``; everything around it is
written by hand. tests/test_docs.py fails when a part is not what this module would write.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from docs.tables import (
    capacity,
    claim,
    commands,
    conformance,
    dicomweb,
    duties,
    errors,
    fhir,
    hl7,
    ihe,
    invariants,
    metrics,
    modules,
    papers,
    quirks,
    reasons,
    settings,
    simulated,
    states,
    tripod,
    work_items,
)

ROOT = Path(__file__).resolve().parents[1]
_PART = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

PARTS: dict[str, Callable[[], str]] = {
    "settings": settings.settings,
    "commands": commands.commands,
    "invariants": invariants.invariants,
    "modules": modules.modules,
    "state-diagram": states.diagram,
    "states": states.states,
    "delivery-states": states.delivery_states,
    "commitment-states": states.commitment_states,
    "reasons": reasons.reasons,
    "flags": reasons.flags,
    "statuses": errors.statuses,
    "metrics": metrics.metrics,
    "storage-scp": conformance.storage_scp,
    "transfer-syntaxes": conformance.transfer_syntaxes,
    "storage-scu": conformance.storage_scu,
    "commitment-associations": conformance.commitment_associations,
    "failure-reasons": conformance.failure_reasons,
    "identification": conformance.identification,
    "association-limits": conformance.association_limits,
    "final-statuses": conformance.final_statuses,
    "duties": duties.duties,
    "ihe": ihe.ihe,
    "claim": claim.claim,
    "tripod": tripod.tripod,
    "dicomweb-store": dicomweb.store,
    "dicomweb-statuses": dicomweb.statuses,
    "messages-heard": hl7.heard,
    "fields-read": hl7.read_fields,
    "acknowledgements": hl7.answers,
    "order-problems": hl7.problems,
    "fhir-systems": fhir.systems,
    "fhir-priorities": fhir.priorities,
    "report-kinds": conformance.report_kinds,
    "own-codes": conformance.own_codes,
    "standard-codes": conformance.standard_codes,
    "work-item-classes": work_items.sop_classes,
    "work-item-attributes": work_items.attributes,
    "work-item-changes": work_items.changes,
    "work-item-statuses": work_items.statuses,
    "tolerated": quirks.tolerated,
    "capacity": capacity.capacity,
    "simulated-load": simulated.load,
    "simulated-sites": simulated.sites,
    "gpu": simulated.gpu,
    "papers-rows": papers.rows,
    "papers-three-class": papers.three_class,
    "papers-two-class": papers.two_class,
    "papers-not-run": papers.not_run,
    "papers-runs": papers.runs,
}


def documents() -> list[Path]:
    """Return every document of the project."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def with_parts_renewed(text: str) -> str:
    """Return a document with its generated parts as the code has them now.

    Raises
    ------
    KeyError
        When a document asks for a part that nothing writes.
    """
    return _PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]().strip()}\n\n{part[3]}", text)


def part_names(text: str) -> list[str]:
    """Return the names of a document's generated parts."""
    return [part[2] for part in _PART.finditer(text)]


def renew_pictures() -> None:
    """Draw the pictures of docs/papers.md whose results have changed."""
    from training.papers.figures import save

    for path, source, draw in papers.pictures():
        if not path.exists() or picture_source(path) != source:
            save(draw(), path, source)
            sys.stdout.write(f"{path.relative_to(ROOT)}\n")


def picture_source(path: Path) -> str:
    """Return the digest of what a picture was drawn from, which stands in its text."""
    with Image.open(path) as picture:
        return str(picture.info.get("Source", ""))


def main() -> None:
    """Renew every document and picture, and name those that changed."""
    renew_pictures()
    for path in documents():
        before = path.read_text(encoding="utf-8")
        after = with_parts_renewed(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
