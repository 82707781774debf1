"""What laws and profiles ask of such a system, and the tests and documents that answer it."""

import ast
from pathlib import Path

from docs.tables import table

ROOT = Path(__file__).resolve().parents[2]

#: What is asked, by whom, and where it is answered: documents, and tests as ``file::name``.
DUTIES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "AI Act 12",
        "Events are recorded automatically over the system's life",
        (
            "docs/reference/states.md",
            "tests/service/ledger/test_log_export.py::test_a_period_s_events_and_results_are_exported_without_names",
        ),
    ),
    ("AI Act 13", "Deployers are told capabilities, limits and accuracy", ("docs/model-card.md", "README.md")),
    (
        "AI Act 14",
        "A person can disregard, override and stop the output",
        (
            "docs/howto/release-a-held-study.md",
            "tests/service/web/test_list_page.py::test_a_form_that_is_not_ours_changes_nothing",
        ),
    ),
    ("AI Act 15", "Accuracy, robustness and cybersecurity are proven", ("docs/proof.md", "docs/adr/0031-sign-in.md")),
    (
        "AI Act 26(5)",
        "Deployers monitor the operation",
        (
            "docs/monitoring/alerts.yml",
            "tests/test_monitoring.py::test_every_alert_says_how_grave_it_is_and_what_to_do",
        ),
    ),
    (
        "AI Act 26(6)",
        "Logs are kept for six months at least",
        (
            "docs/duties.md",
            "tests/service/ledger/test_log_export.py::test_retention_removes_pixels_and_no_line_of_the_log",
        ),
    ),
    (
        "IHE ATNA",
        "Who did and saw what is in an audit trail",
        (
            "docs/howto/audit.md",
            "tests/service/web/test_login.py::test_who_looked_at_whose_images_is_in_the_audit_trail_once_a_patient",
        ),
    ),
)


def duties() -> str:
    """Return what is asked with links to what answers it."""
    return table(
        ("asked by", "what", "answered by"),
        [(who, what, ", ".join(link(place) for place in places)) for who, what, places in DUTIES],
    )


def missing() -> list[str]:
    """Return the documents and tests that are named and are not there."""
    return [place for _, _, places in DUTIES for place in places if not exists(place)]


def exists(place: str) -> bool:
    """Return whether a document, a section of one or a test of a file is there."""
    file, _, name = place.partition("::")
    file, _, section = file.partition("#")
    path = ROOT / file
    if not path.is_file():
        return False
    if section:
        return any(line.lstrip("#").strip() == section for line in path.read_text().splitlines() if line[:1] == "#")
    return not name or any(
        isinstance(node, ast.FunctionDef) and node.name == name for node in ast.walk(ast.parse(path.read_text()))
    )


def link(place: str) -> str:
    """Return a link to a document, a section or a test, from a page of docs/."""
    file, _, name = place.partition("::")
    file, _, section = file.partition("#")
    relative = file.removeprefix("docs/") if file.startswith("docs/") else f"../{file}"
    text = section or (name.replace("_", " ").removeprefix("test ") if name else Path(file).name)
    return f"[{text}]({relative}{f'#{anchor(section)}' if section else ''})"


def anchor(section: str) -> str:
    """Return the name by which a heading is linked to."""
    return "".join(letter for letter in section.lower().replace(" ", "-") if letter.isalnum() or letter == "-")
