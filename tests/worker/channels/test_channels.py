"""A channel is a few files of its own and a line in two tables."""

import re
from pathlib import Path
from typing import get_args

import pytest

from docs.tables.settings import CHANNELS as DOCUMENTED
from service.settings import DestinationSettings, DicomwebSettings
from service.settings.receivers import Receiver
from worker.channels import CHANNELS

ROOT = Path(__file__).parents[3]
KINDS = get_args(get_args(Receiver)[0])


def test_every_kind_of_receiver_has_a_channel_and_both_of_dicom_are_among_them() -> None:
    assert set(CHANNELS) == {DestinationSettings, DicomwebSettings, *KINDS}
    assert set(DOCUMENTED) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_channel_touches_five_files_at_most_tests_and_documents_aside(kind: type) -> None:
    name = re.sub("(?<!^)(?=[A-Z])", "_", kind.__name__.removesuffix("Settings")).lower()
    channel = name.replace("_", "")
    module = re.compile(rf"\b{name}(_[a-z]+)?\b|{kind.__name__}|[a-z]*{channel}channel", re.IGNORECASE)
    sources = [path for folder in ("service", "worker") for path in (ROOT / folder).rglob("*.py")]
    # The settings of what is heard of such systems are no channel's.
    sources = [path for path in sources if path.parent.name != "settings" or kind.__name__ in path.read_text()]
    touched = [path for path in sources if "texts" not in path.parts and _imports_or_is(path, name, module)]
    layers = (ROOT / "pyproject.toml").read_text()
    assert f'{name}"' in layers or f"| {name} |" in layers
    assert len(touched) + 1 <= 5, touched  # and pyproject.toml


def _imports_or_is(path: Path, name: str, module: re.Pattern[str]) -> bool:
    """Return whether a file is the channel's own, or names it in its code."""
    if path.stem == name or path.stem.startswith(f"{name}_"):
        return True
    if path.parent.name not in ("channels", "settings"):
        return False
    lines = [line for line in path.read_text().splitlines() if not line.strip().startswith("#") and "://" not in line]
    return any(module.search(line) for line in lines)
