"""What keeps the demo from running is said in words, and ends it."""

import threading

import pytest
from click.testing import CliRunner

from service.cli import demo as module
from service.vocabulary.errors import SettingsInvalid


class _CannotStart:
    """A supervisor one of whose parts cannot start, as when a port is taken."""

    def __init__(self, *_: object) -> None:
        pass

    def run(self, stop: threading.Event) -> None:
        raise SettingsInvalid("`auscult web` cannot start")


def test_a_part_that_cannot_start_ends_the_demo_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Supervisor", _CannotStart)
    found = CliRunner().invoke(module.demo, ["--once"])
    assert isinstance(found.exception, SettingsInvalid)
    assert str(found.exception) == "`auscult web` cannot start"
