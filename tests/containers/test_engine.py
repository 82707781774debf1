"""docker-compose.yml as it stands, on an engine: from dcmtk through the demo's PACS and back to it, and the page."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from service.demo.examples import example_instances
from tests.containers import compose
from tests.containers.conftest import Site, commands
from tests.documents import blocks
from tests.servers import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

#: What a site pulls to each machine. The base is 75 MB as Debian publishes it.
MOST_BYTES = 600_000_000
PASSWORD = "a long enough password"
IMAGE = compose.services()["listen"].table["image"]
ORTHANC = "http://127.0.0.1:8043"


def orthanc_holds() -> int:
    """Return how many instances the demo's PACS holds; -1 while it does not answer."""
    try:
        with urllib.request.urlopen(f"{ORTHANC}/statistics", timeout=5) as answer:
            return int(json.load(answer)["CountInstances"])
    except OSError:
        return -1


def store(storescu: str, folder: Path, instances: list[Dataset]) -> None:
    """Send instances to the demo's PACS, as a modality does."""
    folder.mkdir()
    for number, dataset in enumerate(instances):
        dataset.save_as(folder / f"{number:02d}.dcm", enforce_file_format=True)
    command = [storescu, "--scan-directories", "-aet", "MODALITY", "-aec", "ORTHANC", "127.0.0.1", "4242", str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def inspected(site: Site) -> list[tuple[str, dict[str, Any]]]:
    """Return the service of each container, and what the engine says of it."""
    names = site.docker("compose", "ps", "--all", "--quiet").split()
    found = json.loads(site.docker("inspect", *names))
    return [(one["Config"]["Labels"]["com.docker.compose.service"], one) for one in found]


def run_in(site: Site, *command: str) -> str:
    """Run something in our image, as its user and with nothing else."""
    entry, *rest = command
    return site.docker("run", "--rm", "--network", "none", "--entrypoint", entry, IMAGE, *rest)


def test_the_image_is_small_says_what_it_is_and_can_install_nothing(site: Site) -> None:
    (image,) = json.loads(site.docker("image", "inspect", IMAGE))
    assert image["Size"] < MOST_BYTES
    labels = image["Config"]["Labels"]
    assert labels["org.opencontainers.image.version"] in IMAGE
    assert "Research use only" in labels["org.opencontainers.image.description"]
    installed = set(run_in(site, "ls", "/opt/auscult/lib/python3.11/site-packages").split())
    assert {"service", "worker", "onnxruntime"} <= installed
    assert {"torch", "pip", "uv", "setuptools"}.isdisjoint(installed)
    assert "site.crt" not in run_in(site, "find", "/opt", "/usr/local", "-name", "*.crt")
    assert run_in(site, "sh", "-c", "find /opt /usr /etc -writable ! -type l 2>/dev/null").split() == []
    kept = ("find", "/var/lib/apt/lists", "/var/cache/apt/archives", "-name", "*.deb", "-o", "-name", "*Packages*")
    assert site.docker("run", "--rm", "--user", "0", "--entrypoint", kept[0], IMAGE, *kept[1:]).split() == []
    assert "is whole" in run_in(site, "auscult", "checkpoint", "verify")
    assert int(run_in(site, "sh", "-c", "find /opt -name '*.pyc' | wc -l")) > 500


def test_radiographs_go_through_the_file_and_come_back_as_reports_over_stops_and_new_workers(
    site: Site, program: Callable[[str], str], tmp_path: Path
) -> None:
    authority, nodes, *_ = blocks("howto/tls.md")
    site.shell((authority + nodes).replace("rsa:3072", "rsa:2048"))
    site.shell(next(block for block in commands() if "password reader" in block), f"{PASSWORD}\n")
    start = next(block for block in commands() if "up --detach" in block).splitlines()
    try:
        site.shell("\n".join(line for line in start if " build" not in line and "doctor" not in line))
        wait_until(lambda: orthanc_holds() == 0, "the PACS answers", 60, 0.5)
        examples = [dataset for _, dataset in example_instances()]
        _wait_for(site, "listen", "auscult", "alive", "listen")
        store(program("storescu"), tmp_path / "first", examples)
        # Three objects for each of eight; a text report for the lateral view, the adult and the one that is unlike the
        # training images; none for the CT.
        reports = 8 * 3 + 3
        _wait_for_instances(len(examples) + reports)
        for name, service in compose.services().items():
            if service.is_ours and service.table.get("profiles") not in (["gpu"], ["hl7"]) and name != "migrate":
                _wait_for(site, name, *service.health)
        said = site.engine.tried("compose", "exec", "-T", "listen", "auscult", "doctor", "--json", folder=site.folder)
        passed = {finding["name"]: finding["passed"] for finding in json.loads(said.stdout)}
        assert (passed["database"], passed["queue"], passed["destination pacs"]) == (True, True, True), said.stdout
        _require_limits(site)
        _require_the_page(site, program("curl"))
        site.docker("compose", "up", "--detach", "--scale", "infer=2", "--no-recreate")
        site.docker("compose", "stop")
        ended = [(name, one["State"]) for name, one in inspected(site)]
        assert [name for name, state in ended if state["Running"]] == []
        ours = [(name, state["ExitCode"]) for name, state in ended if compose.services()[name].is_ours]
        assert len(ours) == 8
        # The second worker may still have been starting, and ends by the signal itself then.
        assert {code for name, code in ours if name != "infer"} == {0}, ours
        assert {code for name, code in ours if name == "infer"} <= {0, 143}, ours
        site.docker("compose", "up", "--detach")
        wait_until(lambda: orthanc_holds() == len(examples) + reports, "the PACS answers again", 60, 0.5)
        _wait_for(site, "listen", "auscult", "alive", "listen")
        store(program("storescu"), tmp_path / "second", [dataset for _, dataset in example_instances()][:1])
        _wait_for_instances(len(examples) + reports + 4)
    finally:
        site.docker("compose", "down", "--volumes")


def test_the_tables_wait_for_the_server_of_a_new_volume_that_is_there_to_stay(site: Site) -> None:
    # The stand-in's set-up server lives longer than the health check's interval, on its socket alone.
    try:
        site.docker("compose", "up", "--detach", "migrate")

        def migration() -> dict[str, Any]:
            return dict(inspected(site))["migrate"]

        wait_until(lambda: migration()["State"]["Status"] == "exited", "the tables are there", 120, 0.5)
        migrate = migration()
        assert (migrate["State"]["ExitCode"], migrate["RestartCount"]) == (0, 0)
    finally:
        site.docker("compose", "down", "--volumes")


def _wait_for(site: Site, *command: str) -> None:
    """Wait until a command succeeds within a service, which stands before it with options of `docker compose exec`."""

    def passes() -> bool:
        return site.engine.tried("compose", "exec", "-T", *command, folder=site.folder).returncode == 0

    wait_until(passes, " ".join(command), 120, 1.0)


def _wait_for_instances(number: int) -> None:
    wait_until(lambda: orthanc_holds() >= number, f"{number} instances in the PACS", 180, 0.5)
    time.sleep(3)  # and none too many
    assert orthanc_holds() == number


def _require_limits(site: Site) -> None:
    """Require what the file says of each container: limits, no capability, a root that cannot be written."""
    for name, one in inspected(site):
        host = one["HostConfig"]
        assert host["Memory"] > 0, name
        assert host["PidsLimit"] > 0, name
        if name != "orthanc":
            assert (host["ReadonlyRootfs"], host["CapDrop"]) == (True, ["ALL"]), name
        assert not one["State"]["OOMKilled"], name
        secret = (site.folder / "secrets" / "database_password").read_text().strip()
        assert secret not in json.dumps(one), name


def _require_the_page(site: Site, curl: str) -> None:
    def page(*options: str) -> str:
        ran = subprocess.run(
            [
                *(curl, "--silent", "--show-error", "--cacert", str(site.folder / "tls" / "ca.pem"), *options),
                *("--resolve", "auscult.example:8042:127.0.0.1", "--write-out", "\n%{http_code}"),
                "https://auscult.example:8042/",
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return ran.stdout

    assert page().endswith("\n401")
    shown = page("--user", f"reader:{PASSWORD}")
    assert shown.endswith("\n200")
    assert "PNEUMONIA SUSPECTED" in shown
