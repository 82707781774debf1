"""The invariants, from the tests that say which of them they prove."""

import ast
from collections.abc import Iterator
from pathlib import Path

from docs.tables import table
from tests.invariants import Invariant

ROOT = Path(__file__).resolve().parents[2]


def proofs() -> dict[Invariant, list[tuple[str, str]]]:
    """Return file and name of the tests that prove each invariant.

    The files are read, not imported: a test may need what is not installed where documents are written.
    """
    found: dict[Invariant, list[tuple[str, str]]] = {invariant: [] for invariant in Invariant}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                for invariant in _proven_by(node):
                    found[invariant].append((str(path.relative_to(ROOT)), node.name))
    return found


def invariants() -> str:
    """Return each invariant with links to the files of its tests."""
    rows = []
    for invariant, tests in proofs().items():
        files = dict.fromkeys(path for path, _ in tests)
        links = ", ".join(f"[{Path(path).stem.removeprefix('test_')}]({path})" for path in files)
        rows.append((invariant.value, links))
    return table(("what always holds", "proven in"), rows)


def _proven_by(node: ast.FunctionDef) -> Iterator[Invariant]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.proves":
            for argument in decorator.args:
                yield Invariant[ast.unparse(argument).removeprefix("Invariant.")]
