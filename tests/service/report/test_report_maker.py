"""highdicom in a process of its own: never in the one that delivers, and nothing rests on how long it lives."""

import os
import signal
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from service.report.build import drafts_of, recipe_of
from service.report.installed import INSTALLED
from service.report.maker import Maker
from service.vocabulary.errors import ReportNotMade, Unavailable
from service.vocabulary.findings import Outcome
from service.vocabulary.report_kinds import ReportKind
from tests.phantoms import chest
from tests.servers import wait_until
from tests.service.report.samples import EQUIPMENT, content

_ROOT = Path(__file__).resolve().parents[3]

#: Delivers nothing, but imports what a delivery worker does and builds a report; then it ends without a word.
_WORKER = """
import os, sys
from pathlib import Path
import worker.cli, worker.delivery, worker.engine, worker.networks
from service.report import build
from service.vocabulary.findings import Outcome
from service.vocabulary.report_kinds import ReportKind
from tests.phantoms import chest
from tests.service.report.samples import EQUIPMENT, content
assert build(chest(), None, content(Outcome.NEGATIVE), kinds=[ReportKind.TEXT_SR], equipment=EQUIPMENT)
held = [name for name in ("highdicom", "pydicom.sr", "onnxruntime", "celery", "torch") if name in sys.modules]
(child,) = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
print(held, child, flush=True)
os._exit(0)
"""


def _children() -> set[int]:
    return {int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


def test_a_process_that_delivers_never_imports_highdicom_and_the_one_that_does_ends_with_it() -> None:
    done = subprocess.run([sys.executable, "-c", _WORKER], cwd=_ROOT, capture_output=True, text=True, check=False)
    held, _, child = done.stdout.strip().rpartition(" ")
    assert held == "[]", done.stderr
    wait_until(lambda: not Path(f"/proc/{child}/exe").exists(), "highdicom's process ends", 60, 0.05)


def test_whatever_becomes_of_the_process_the_next_one_makes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    (draft,) = drafts_of(chest(), None, content(Outcome.NEGATIVE), kinds=[ReportKind.TEXT_SR], equipment=EQUIPMENT)
    recipe, maker, before = recipe_of(draft), Maker(), _children()
    made = maker.made(draft.kind, recipe)
    (child,) = _children() - before
    os.kill(child, signal.SIGTERM)  # as at the end of a service, whose worker may still need a report
    with pytest.raises(ReportNotMade, match=r"makes no text_sr of this content \(AttributeError\)"):
        maker.made(draft.kind, ("PATIENT^NAME",))
    assert _children() - before == {child}
    with monkeypatch.context() as later:
        later.setitem(INSTALLED, "highdicom", "0.1")
        with pytest.raises(Unavailable, match="another version was installed"):
            maker.made(draft.kind, recipe)
    os.kill(child, signal.SIGKILL)
    assert maker.made(draft.kind, recipe) == made
    assert child not in _children(), "nobody waited for it"

    def interrupted(_: Connection) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Connection, "recv", interrupted)
    with pytest.raises(KeyboardInterrupt):
        maker.made(draft.kind, recipe)
    assert _children() == before, "the answer that nobody took would be the next one's"


def test_a_process_that_ends_each_time_is_said_to_and_asked_again_the_next_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    maker, before = Maker(), _children()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    for _ in range(2):
        with pytest.raises(Unavailable, match="ended each time"):
            maker.made(ReportKind.TEXT_SR, ())
    assert _children() == before
