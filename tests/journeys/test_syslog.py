"""The audit trail in rsyslog: what a hospital's collector makes of our messages over TLS."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest
from lxml import etree

from tests import phantoms
from tests.certificates import Authority
from tests.journeys.gateway import gateway
from tests.servers import free_port, listens, running, wait_until
from tests.service.audit.test_audit import GRAMMAR

Run = Callable[[], AbstractContextManager[None]]

_CONFIGURATION = """
global(workDirectory="{folder}"
       defaultNetstreamDriverCAFile="{ca}"
       defaultNetstreamDriverCertFile="{certificate}"
       defaultNetstreamDriverKeyFile="{key}")
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
input(type="imtcp" address="127.0.0.1" port="{port}")
template(name="parts" type="string"
         string="%syslogfacility-text%.%syslogseverity-text% %app-name% %msgid% %msg%\\n")
action(type="omfile" file="{collected}" template="parts")
"""
#: What the collector makes of facility, severity, application and message id, and the mark of UTF-8.
_HEAD = "authpriv.notice auscult DICOM+RFC3881 \ufeff".encode()


@contextmanager
def collector(program: str, folder: Path, port: int) -> Iterator[None]:
    """Run rsyslog on its configuration in a folder."""
    options = ["-n", "-f", str(folder / "rsyslog.conf"), "-i", str(folder / "rsyslog.pid")]
    with running([program, *options], folder / "rsyslog.log", lambda: listens(port)):
        yield


@pytest.fixture
def site(program: Callable[[str], str], tmp_path: Path) -> tuple[Run, Path, dict[str, object]]:
    """Give what runs the collector, the file that it writes, and the settings that lead there."""
    authority, port = Authority(tmp_path), free_port()
    theirs, ours = authority.issue("collector"), authority.issue("auscult")
    collected = tmp_path / "collected"
    configuration = _CONFIGURATION.format(
        folder=tmp_path, ca=authority.ca, **theirs.settings(), port=port, collected=collected
    )
    (tmp_path / "rsyslog.conf").write_text(configuration)
    settings: dict[str, object] = {
        "syslog_host": "127.0.0.1",
        "syslog_port": port,
        "syslog_ca": str(authority.ca),
        "syslog_certificate": str(ours.certificate),
        "syslog_key": str(ours.key),
    }
    return partial(collector, program("rsyslogd"), tmp_path, port), collected, settings


def test_rsyslog_has_each_message_as_the_file_has_it_also_after_it_was_away(
    site: tuple[Run, Path, dict[str, object]], tmp_path: Path
) -> None:
    run, collected, settings = site
    folder = tmp_path / "gateway"
    folder.mkdir()

    def messages() -> set[bytes]:
        lines = collected.read_bytes().splitlines() if collected.exists() else []
        assert all(line.startswith(_HEAD) for line in lines)
        return {line.removeprefix(_HEAD) for line in lines}

    with gateway(folder, parts=["listen"], audit=settings) as gateway_:
        trail = folder / "data" / "audit" / "audit.log"
        with run():
            assert gateway_.send(phantoms.chest(1, patient_name="Müller^Zoë")) == 0x0000
            wait_until(lambda: len(messages()) == 2, "a start and a reception are collected")
        assert gateway_.send(phantoms.chest(2, patient_name="Ames^Anna")) == 0x0000
        assert len(messages()) == 2
        with run():
            wait_until(lambda: len(messages()) == 3, "what was written meanwhile is collected", 60)
        assert messages() == set(trail.read_bytes().splitlines())
    for text in messages():
        GRAMMAR.assertValid(etree.fromstring(text))
    assert "Müller^Zoë".encode() in b"".join(messages())
