from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from service import cli
from tests.service.sample_site import SampleSite


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SampleSite]:
    """Give an empty site that the settings name."""
    site = SampleSite(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUSCULT_DATA_DIR", str(site.folder))
    monkeypatch.setenv("AUSCULT_LISTENER__PORT", "0")
    monkeypatch.setenv("AUSCULT_WEB__PORT", "0")
    monkeypatch.setenv("AUSCULT_LISTENER__MINIMUM_FREE_BYTES", "0")
    monkeypatch.setenv("COLUMNS", "220")
    yield site
    site.close()


@pytest.fixture
def auscult() -> Callable[..., Result]:
    """Give ``auscult(*arguments)``, which runs a command in this process."""
    return lambda *arguments, **more: CliRunner().invoke(cli._group, list(arguments), **more)
