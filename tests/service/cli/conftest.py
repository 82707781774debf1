from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from service import cli
from tests.service.ward import Ward


@pytest.fixture
def ward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    """Give an empty ward that the settings name."""
    ward = Ward(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUSCULT_DATA_DIR", str(ward.folder))
    monkeypatch.setenv("AUSCULT_LISTENER__PORT", "0")
    monkeypatch.setenv("AUSCULT_WEB__PORT", "0")
    monkeypatch.setenv("AUSCULT_LISTENER__MINIMUM_FREE_BYTES", "0")
    monkeypatch.setenv("COLUMNS", "220")
    yield ward
    ward.close()


@pytest.fixture
def auscult() -> Callable[..., Result]:
    """Give ``auscult(*arguments)``, which runs a command in this process."""
    return lambda *arguments, **more: CliRunner().invoke(cli._group, list(arguments), **more)
