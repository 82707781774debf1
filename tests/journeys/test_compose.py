"""The very commands and variables of docker-compose.yml, as processes: from dcmtk through Orthanc to its reports."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, inspect, text

from service.vocabulary.states import DeliveryState, State
from tests import phantoms, servers
from tests.containers import compose
from tests.containers.compose import ROOT
from tests.documents import blocks
from tests.journeys.composed import PARTS, Site, site
from tests.servers import forward_everything, listens, wait_until


@pytest.mark.timeout(400)
@pytest.mark.slow
def test_an_image_goes_through_the_services_of_the_file_and_comes_back_as_reports(
    tmp_path: Path, program: Callable[[str], str], orthanc: Callable[..., servers.Orthanc]
) -> None:
    for name in ("redis-server", "initdb", "storescu"):
        program(name)
    source = phantoms.chest(900, patient_id="SECRET-900", patient_name="Geheim^Kompose")
    phantoms.write(source, tmp_path / "image.dcm")
    demo = json.loads((ROOT / "docker" / "demo" / "orthanc.json").read_text())
    settings, pacs_port = (ROOT / "docker" / "demo" / "auscult.toml").read_text(), servers.free_port()
    assert 'host = "orthanc"\nport = 4242' in settings
    moved = settings.replace('host = "orthanc"\nport = 4242', f'host = "127.0.0.1"\nport = {pacs_port}')
    with site(tmp_path, moved) as place, place.started() as running:
        listener = place.ports["AUSCULT_LISTENER__PORT"]
        pacs = orthanc(
            ae_title=demo["DicomAet"],
            modalities={"auscult": (demo["DicomModalities"]["auscult"][0], listener)},
            callers=("MODALITY",),
            lua=forward_everything("auscult"),
            dicom_port=pacs_port,
        )
        wait_until(lambda: listens(listener), "the listener listens", 180, 0.2)
        send = [program("storescu"), "-aet", "MODALITY", "-aec", "ORTHANC", "127.0.0.1", str(pacs.dicom_port)]
        subprocess.run([*send, str(tmp_path / "image.dcm")], check=True, timeout=30)
        pacs.wait_for_instances(4, 120)
        with place.ledger() as ledger:
            wait_until(
                lambda: {State.DELIVERED: 1, State.OWN: 3}.items() <= ledger.inspection.status().states.items(),
                "delivered, and come back as our own",
                60,
                0.2,
            )
            assert ledger.inspection.status().outbox["pacs"] == {DeliveryState.CONFIRMED: 3}
            kept = _rows(ledger.engine)
        for name in running:
            wait_until(lambda name=name: place.healthy(name), f"{name} is healthy", 60, 2)  # type: ignore[misc]
        examined = _examined(place)
        assert "auscult_instances" in _scraped(place)
        _require_no_secret_on_a_command_line(place)
        for process in running.values():
            process.send_signal(signal.SIGTERM)
        grace = int(place.services["infer"].table["stop_grace_period"].removesuffix("s"))
        ended = {name: process.wait(2 * grace) for name, process in running.items()}
        assert ended == dict.fromkeys(running, 0)
    assert not place.healthy("infer")
    output = "".join(place.log(name).read_text() for name in (*PARTS, "redis")) + examined
    assert str(source.SOPInstanceUID) in output
    for secret in ("SECRET-900", "Geheim", "Kompose", *place.secrets):
        assert secret not in output
    assert "SECRET-900" in kept
    assert not any(secret in kept for secret in place.secrets)


def _rows(engine: Engine) -> str:
    """Return all that the ledger holds."""
    with engine.connect() as connection:
        tables = [connection.execute(text(f'SELECT * FROM "{name}"')) for name in inspect(engine).get_table_names()]
        return "\n".join(str(row) for table in tables for row in table)


def _examined(place: Site) -> str:
    """Return what the doctor says; database and broker let it in by the passwords in their files."""
    said = place.run("listen", "doctor", "--json").stdout
    passed = {finding["name"]: finding["passed"] for finding in json.loads(said)}
    assert passed["database"], said
    assert passed["queue"], said
    return said


def _scraped(place: Site) -> str:
    """Return what production.md's line for a monitor prints."""
    (line,) = (block for block in blocks("howto/production.md") if "/metrics" in block)
    inside = line.partition(" web ")[2].replace(":8042/", f":{place.ports['AUSCULT_WEB__PORT']}/")
    ran = subprocess.run(["sh", "-c", inside], capture_output=True, text=True, timeout=30, check=True)
    return ran.stdout


def _require_no_secret_on_a_command_line(place: Site) -> None:
    lines = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            lines.append((path / "cmdline").read_bytes() + (path / "environ").read_bytes())
        except OSError:
            continue  # it has ended meanwhile, or is another user's
    assert any(b"postgres" in line for line in lines)
    assert any(b"redis-server" in line for line in lines)
    for secret in place.secrets:
        assert not any(secret.encode() in line for line in lines)


def test_a_password_that_is_wrong_opens_nothing_and_is_told_as_such(
    tmp_path: Path, program: Callable[[str], str]
) -> None:
    for name in ("redis-server", "initdb"):
        program(name)
    with site(tmp_path, "") as place:
        for secret in (tmp_path / "secrets").iterdir():
            secret.write_text("quite-another\n")
        refused, examined = place.run("migrate", "db", "upgrade"), place.run("listen", "doctor", "--json")
    assert refused.returncode == 1
    assert "the database refuses the login" in refused.stderr
    assert "database.password_file" in refused.stderr
    passed = {finding["name"]: finding["passed"] for finding in json.loads(examined.stdout)}
    assert (passed["database"], passed["queue"]) == (False, False)
    assert "quite-another" not in refused.stderr + examined.stdout + examined.stderr


def test_the_database_server_of_the_file_quotes_no_row_in_its_log(
    tmp_path: Path, program: Callable[[str], str]
) -> None:
    program("initdb")
    options = compose.services()["postgres"].command[1:]
    with servers.postgres_server(options) as postgres:
        with psycopg.connect(postgres.url().replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("CREATE TABLE patients (name text UNIQUE, born date NOT NULL)")
            for statement, values in (
                ("INSERT INTO patients VALUES (%s, %s)", ("Geheim^Anna", None)),
                ("INSERT INTO patients VALUES (%s, %s::text::date)", ("Geheim^Anna", "Geheim^Born")),
            ):
                with pytest.raises(psycopg.Error):
                    connection.execute(statement, values)
        log = postgres.log.read_text()
    assert "ERROR" in log
    assert "Geheim^Anna" not in log
