"""Reads the Dockerfile: its stages, and the instructions of each."""

import fnmatch
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Step:
    """One instruction, such as ``RUN``, and what follows it on its line."""

    instruction: str
    rest: str

    def copied(self) -> tuple[str | None, list[str], str]:
        """Return a COPY's stage, or None for the build context, its sources and its target."""
        words = shlex.split(self.rest)
        stage = None
        if words[0].startswith("--from="):
            stage = words.pop(0).removeprefix("--from=")
        return stage, words[:-1], words[-1]

    def assigned(self) -> dict[str, str]:
        """Return what an ENV sets."""
        return dict(word.split("=", 1) for word in shlex.split(self.rest))


@dataclass(frozen=True)
class Stage:
    """A stage: what it starts from, another stage or an image, and its steps."""

    name: str
    origin: str
    steps: list[Step] = field(default_factory=list)


def stages(path: Path = ROOT / "Dockerfile") -> dict[str, Stage]:
    """Return the stages in order.

    Raises
    ------
    ValueError
        When a stage has no name.
    """
    text = re.sub(r"^#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    text = text[text.index("FROM ") :]  # what comes before is the default of the base
    found: dict[str, Stage] = {}
    for line in text.replace("\\\n", " ").splitlines():
        instruction, _, rest = line.strip().partition(" ")
        if instruction == "FROM":
            origin, separator, name = rest.partition(" AS ")
            if not separator:
                raise ValueError(f"a stage without a name: {line}")
            stage = found[name] = Stage(name, origin)
        elif instruction:
            stage.steps.append(Step(instruction, " ".join(rest.split())))
    return found


def chain(found: dict[str, Stage], name: str) -> list[Stage]:
    """Return the stages that one is made of, the first one's origin being an image."""
    stage = found[name]
    return [*chain(found, stage.origin), stage] if stage.origin in found else [stage]


def is_ignored(path: str, patterns: Sequence[str]) -> bool:
    """Return whether .dockerignore keeps a file from the build: the last pattern that fits it or a folder decides."""
    parts = PurePosixPath(path)
    names = [str(parts), *(str(parent) for parent in parts.parents if str(parent) != ".")]
    ignored = False
    for pattern in patterns:
        kept, plain = pattern.startswith("!"), pattern.removeprefix("!").removeprefix("**/")
        anywhere = pattern.removeprefix("!").startswith("**/")
        if any(_fits(name, plain, anywhere) for name in names):
            ignored = not kept
    return ignored


def ignore_patterns() -> list[str]:
    """Return the patterns of .dockerignore."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _fits(name: str, pattern: str, anywhere: bool) -> bool:
    if anywhere:
        return fnmatch.fnmatchcase(PurePosixPath(name).name, pattern)
    return "/" not in name and fnmatch.fnmatchcase(name, pattern) if "*" in pattern else name == pattern
