"""The override of docs/howto/production.md on docker-compose.yml, and its profile `page`: TLS, and a login."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.vocabulary.states import State
from tests import phantoms
from tests.containers.compose import documented_override
from tests.documents import blocks
from tests.journeys.composed import PARTS, Site, site
from tests.journeys.pacs import CountingPacs
from tests.servers import listens, wait_until

PASSWORD = "a long enough password"
#: On one machine both pages would listen on one port.
WITH_PAGE = tuple("page" if part == "web" else part for part in PARTS)


@contextmanager
def encrypted(folder: Path, pacs_port: int, program: Callable[[str], str]) -> Iterator[Site]:
    """Start the servers of a site with the override, the certificates of tls.md, and a reader."""
    for name in ("redis-server", "initdb", "openssl", "curl", "echoscu", "storescu"):
        program(name)
    authority, nodes, *_ = blocks("howto/tls.md")
    quick = (authority + nodes).replace("rsa:3072", "rsa:2048")  # larger keys take seconds to make
    subprocess.run([program("bash"), "-euc", quick], cwd=folder, check=True, capture_output=True, timeout=60)
    (settings,) = blocks("howto/production.md", "toml")
    assert 'host = "10.1.2.3"\nport = 104' in settings
    moved = settings.replace('host = "10.1.2.3"\nport = 104', f'host = "127.0.0.1"\nport = {pacs_port}')
    with site(folder, moved, documented_override()) as place:
        (command,) = (block for block in blocks("howto/production.md") if "password reader" in block)
        arguments = command.partition(" web ")[2].replace("/tls/users", str(folder / "tls" / "users")).split()
        assert place.run("page", *arguments, line=f"{PASSWORD}\n").returncode == 0
        yield place


def dcmtk(place: Site, program: str, *arguments: str, is_anonymous: bool = False) -> int:
    """Run one of dcmtk's programs on the port for TLS; return its exit status."""
    folder = place.folder / "tls"
    certificate = ["+tla"] if is_anonymous else ["+tls", str(folder / "modality.key"), str(folder / "modality.pem")]
    command = [program, *certificate, "+cf", str(folder / "ca.pem"), "+pz", "-aet", "PACS", "-aec", "AUSCULT"]
    command += ["127.0.0.1", str(place.ports["AUSCULT_LISTENER__TLS__PORT"]), *arguments]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode


def page(place: Site, curl: str, *options: str) -> tuple[int, str]:
    """Ask for the page under its name, as a browser that knows the authority does; return status and body."""
    port = place.ports["AUSCULT_WEB__PORT"]
    command = [curl, "--silent", "--show-error", "--cacert", str(place.folder / "tls" / "ca.pem")]
    command += ["--resolve", f"auscult.example:{port}:127.0.0.1", "--write-out", "\n%{http_code}", *options]
    ran = subprocess.run(
        [*command, f"https://auscult.example:{port}/"], capture_output=True, text=True, timeout=60, check=True
    )
    body, _, status = ran.stdout.rpartition("\n")
    return int(status), body


@pytest.mark.timeout(300)
def test_the_services_take_tls_and_a_login_alone(tmp_path: Path, program: Callable[[str], str]) -> None:
    with encrypted(tmp_path, 104, program) as place, place.started(("migrate", "listen", "page")):
        for variable in ("AUSCULT_LISTENER__TLS__PORT", "AUSCULT_WEB__PORT"):
            wait_until(lambda port=place.ports[variable]: listens(port), variable, 120)  # type: ignore[misc]
        assert dcmtk(place, program("echoscu")) == 0
        assert dcmtk(place, program("echoscu"), is_anonymous=True) != 0
        assert page(place, program("curl"))[0] == 401
        assert page(place, program("curl"), "--user", f"reader:{PASSWORD}x")[0] == 401
        status, body = page(place, program("curl"), "--user", f"reader:{PASSWORD}")
        assert (status, "auscult" in body) == (200, True)
        assert place.healthy("page")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_an_image_comes_in_over_tls_and_is_read_after_a_login(tmp_path: Path, program: Callable[[str], str]) -> None:
    source = phantoms.chest(910, patient_id="SECRET-910", patient_name="Geheim^Tls")
    phantoms.write(source, tmp_path / "image.dcm")
    with (
        CountingPacs() as pacs,
        encrypted(tmp_path, pacs.port, program) as place,
        place.started(WITH_PAGE) as running,
        place.ledger() as ledger,
    ):
        wait_until(lambda: listens(place.ports["AUSCULT_LISTENER__TLS__PORT"]), "the listener listens", 180, 0.2)
        assert dcmtk(place, program("storescu"), str(tmp_path / "image.dcm")) == 0
        wait_until(lambda: ledger.inspection.status().states == {State.DELIVERED: 1}, "delivered", 120, 0.2)
        assert len(pacs.of(source)) == 3
        status, body = page(place, program("curl"), "--user", f"reader:{PASSWORD}")
        assert (status, "SECRET-910" in body) == (200, True)
        for name in running:
            wait_until(lambda name=name: place.healthy(name), f"{name} is healthy", 60, 2)  # type: ignore[misc]
    output = "".join(place.log(name).read_text() for name in WITH_PAGE)
    assert str(source.SOPInstanceUID) in output
    for secret in ("SECRET-910", "Geheim", PASSWORD, *place.secrets):
        assert secret not in output
