from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.sample_site import SampleSite


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SampleSite]:
    """Give an empty site on SQLite."""
    site = SampleSite(tmp_path / "data")
    yield site
    site.close()
