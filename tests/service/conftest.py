from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.ward import Ward


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    """Give an empty ward on SQLite."""
    ward = Ward(tmp_path / "data")
    yield ward
    ward.close()
