"""The modules of every package, each in its own first words."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("service", "worker", "models", "training")


def modules() -> str:
    """Return a heading for each package with what it is for, and a line for each of its modules."""
    parts = []
    for package in PACKAGES:
        for folder in sorted({path.parent for path in (ROOT / package).rglob("*.py")}):
            lines = [
                f"- `{path.stem}`: {_summary(path)}" for path in sorted(folder.glob("*.py")) if path.stem[0] != "_"
            ]
            parts += [f"## `{folder.relative_to(ROOT)}`", _summary(folder / "__init__.py"), "\n".join(lines)]
    return "\n\n".join(part for part in parts if part)


def _summary(path: Path) -> str:
    """Return the first paragraph of a module's docstring on one line."""
    found = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(found.partition("\n\n")[0].split())
