"""A listener with few file handles: whoever asks for an association is served, and the log is short."""

import os
import resource
import signal
import socket
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.forked import Forked
from tests.servers import free_port, wait_until
from tests.service.dicom.raw_scu import RawAssociation, header
from tests.service.listening import prepare


def test_silent_connections_at_the_limit_of_handles_keep_nobody_out_and_leave_no_traceback(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "listen.log"
    prepare(tmp_path / "data")
    own = {name: value for name, value in os.environ.items() if not name.startswith("AUSCULT_")}
    own |= {"AUSCULT_DATA_DIR": str(tmp_path / "data"), "AUSCULT_LISTENER__PORT": str(port)}
    own |= {"AUSCULT_LISTENER__MINIMUM_FREE_BYTES": "0"}
    process = Forked(["listen"], own, log, before=partial(resource.setrlimit, resource.RLIMIT_NOFILE, (64, 64)))
    try:
        wait_until(lambda: log.exists() and "listening on" in log.read_text(), "the listener listens", 60)
        with ExitStack() as held:
            for _ in range(120):
                held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            for number in range(5):
                uid = f"2.25.{number}"
                with RawAssociation(port) as association:
                    assert association.store(header(uid), sop_instance_uid=uid).status == 0x0000
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, log.read_text()
    written = log.read_text()
    assert "Traceback" not in written
    assert len(written.splitlines()) < 20, written
