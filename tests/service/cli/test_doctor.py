"""`auscult doctor`: it finds what is wrong, and names the remedy."""

import json
import os
import re
import socket
from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from service.cli import checks, doctor
from service.settings import Settings
from tests.service.sample_site import SampleSite

Auscult = Callable[..., Result]


def _findings(auscult: Auscult) -> dict[str, dict[str, Any]]:
    return {finding["name"]: finding for finding in json.loads(auscult("doctor", "--json").output)}


@pytest.fixture(autouse=True)
def _no_other_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "entry_points", lambda group: [])


def test_a_sound_installation_passes(site: SampleSite, auscult: Auscult) -> None:
    result = auscult("doctor")

    assert result.exit_code == 0, result.output
    assert "all is well" in result.output
    assert "16 transfer syntaxes decoded" in result.output


def test_an_invalid_setting_is_the_finding(auscult: Auscult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUSCULT_LISTENER__PORT", "70000")
    result = auscult("doctor", "--json")

    assert result.exit_code == 1
    (finding,) = json.loads(result.output)
    assert finding["name"] == "settings"
    assert "listener.port" in finding["message"]


def test_tables_of_another_version_are_found(
    site: SampleSite, auscult: Auscult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUSCULT_DATABASE__URL", f"sqlite:///{site.folder / 'empty.sqlite'}")

    assert _findings(auscult)["database"]["message"].endswith("run `auscult db upgrade`")


def test_a_database_that_is_not_there_is_found(
    site: SampleSite, auscult: Auscult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUSCULT_DATABASE__URL", f"sqlite:///{site.folder / 'absent' / 'x.sqlite'}")

    assert not _findings(auscult)["database"]["passed"]


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_certificate_that_a_url_names_and_nobody_can_read_is_found(
    site: SampleSite, auscult: Auscult, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    file = site.folder / "ca.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("AUSCULT_QUEUE__URL", f"rediss://127.0.0.1:1/0?ssl_ca_certs={file}")
    findings = _findings(auscult)

    assert not findings["queue.url ssl_ca_certs"]["passed"]
    assert "put one there" in findings["queue.url ssl_ca_certs"]["message"]
    assert not findings["queue"]["passed"]


def test_too_little_space_is_found(site: SampleSite, auscult: Auscult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUSCULT_LISTENER__MINIMUM_FREE_BYTES", str(1 << 60))
    finding = _findings(auscult)["disk space"]

    assert not finding["passed"]
    assert "free some" in finding["message"]


def test_a_slow_disk_is_found(site: SampleSite, auscult: Auscult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_SLOW_FSYNC_S", 0.0)

    assert "faster disk" in _findings(auscult)["disk speed"]["message"]


def test_a_port_that_another_program_has_is_found(
    site: SampleSite, auscult: Auscult, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("AUSCULT_WEB__PORT", str(taken.getsockname()[1]))
        monkeypatch.setattr(checks, "answers_health", lambda *_: False)
        finding = _findings(auscult)["web port"]

    assert not finding["passed"]
    assert "web.port" in finding["message"]


def test_our_own_page_on_its_port_is_no_finding(
    site: SampleSite, auscult: Auscult, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.service.web.test_server import serving

    with serving(site) as address:
        monkeypatch.setenv("AUSCULT_WEB__PORT", address.rstrip("/").rpartition(":")[2])
        finding = _findings(auscult)["web port"]

    assert finding["passed"]
    assert "auscult is running on it" in finding["message"]


def test_a_decoder_that_decodes_wrongly_is_found(
    site: SampleSite, auscult: Auscult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "phantom_values", lambda _, rows, columns: np.zeros((rows, columns)))
    found = _findings(auscult)

    assert "decoders" not in found
    assert "other values than were encoded" in found["decoder JPEG-LS Lossless Image Compression"]["message"]


def test_a_destination_that_answers_passes_and_one_that_does_not_is_found(
    site: SampleSite, auscult: Auscult, storescp: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {"name": "there", "ae_title": "STORESCP", "host": "127.0.0.1", "port": storescp().port}
    gone = {"name": "gone", "ae_title": "GONE", "host": "127.0.0.1", "port": 1, "connect_timeout": 2}
    monkeypatch.setenv("AUSCULT_DESTINATIONS", json.dumps([there, gone]))
    found = _findings(auscult)

    assert found["destination there"]["passed"]
    assert not found["destination gone"]["passed"]
    assert "check its host" in found["destination gone"]["message"]


def test_a_broker_that_does_not_answer_is_found_without_its_password(
    site: SampleSite, auscult: Auscult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUSCULT_QUEUE__URL", "redis://:geheim@127.0.0.1:1/0")
    result = auscult("doctor", "--json")

    assert "Redis does not answer" in result.output
    assert "geheim" not in result.output


def test_a_broker_that_answers_passes(
    site: SampleSite, auscult: Auscult, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUSCULT_QUEUE__URL", redis_url)

    assert _findings(auscult)["queue"]["message"] == "Redis answers"


def checks_of_another_storey(_settings: Settings) -> list[tuple[str, bool, str]]:
    return [("checkpoint", False, "the digest differs; install it again")]


def broken_check(_settings: Settings) -> list[tuple[str, bool, str]]:
    raise OSError(os.strerror(5))


def test_another_storeys_checks_are_made_too_and_a_broken_one_hides_nothing(
    site: SampleSite, auscult: Auscult, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [
        EntryPoint("checkpoint", f"{__name__}:checks_of_another_storey", "auscult.checks"),
        EntryPoint("broken", f"{__name__}:broken_check", "auscult.checks"),
        EntryPoint("absent", "no_such_module:check", "auscult.checks"),
    ]
    monkeypatch.setattr(doctor, "entry_points", lambda group: points if group == "auscult.checks" else [])
    result = auscult("doctor")
    found = _findings(auscult)

    assert result.exit_code == 1
    assert re.search(r"^3 of \d+ checks failed", result.output, re.MULTILINE)
    assert found["checkpoint"]["message"] == "the digest differs; install it again"
    assert "OSError" in found["broken"]["message"]
    assert "ModuleNotFoundError" in found["absent"]["message"]


def test_a_receiver_that_cannot_be_reached_is_named(
    site: SampleSite, auscult: Auscult, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:
        receivers = [
            {"channel": "hl7", "name": name, "host": "127.0.0.1", "port": port}
            for name, port in (("ris", there.getsockname()[1]), ("away", 1))
        ]
        monkeypatch.setenv("AUSCULT_RECEIVERS", json.dumps(receivers))
        found = _findings(auscult)

    assert found["receiver ris"]["passed"]
    assert not found["receiver away"]["passed"]
    assert "cannot be reached" in found["receiver away"]["message"]
