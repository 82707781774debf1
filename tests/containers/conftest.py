"""An engine with the images of docker-compose.yml, ours among them."""

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.containers import compose
from tests.containers.dockerfile import ROOT
from tests.containers.engine import Engine, build_arguments, engine, import_images
from tests.documents import blocks


@dataclass(frozen=True)
class Site:
    """A folder with what a site has of auscult, in which commands of the documents are run as they stand there."""

    engine: Engine
    folder: Path

    def docker(self, *arguments: str) -> str:
        """Run `docker` in the folder."""
        return self.engine.docker(*arguments, folder=self.folder)

    def shell(self, commands: str, line: str = "") -> str:
        """Run a block of a document in the folder; return what it wrote."""
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self.folder,
            env=self.engine.environment | build_arguments(),
            input=line,
            capture_output=True,
            text=True,
            timeout=1500,
            check=False,
        )
        assert ran.returncode == 0, f"{commands}\n{ran.stdout[-2000:]}\n{ran.stderr[-3000:]}"
        return ran.stdout


@pytest.fixture(scope="session")
def site(program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give a site whose images are built as production.md says, on an engine of its own."""
    for name in ("mmdebstrap", "git", "openssl", "storescu"):
        program(name)
    dockerd, plugin = program("dockerd"), Path(os.environ.get("AUSCULT_TEST_COMPOSE", "none"))
    if os.geteuid() != 0 or not plugin.is_file():
        reason = "an engine needs root, and AUSCULT_TEST_COMPOSE to name Compose's plug-in, such as .ci/run unpacks"
        (pytest.fail if os.environ.get("AUSCULT_TEST_REQUIRE_ALL") == "1" else pytest.skip)(reason)
    folder = tmp_path_factory.mktemp("site")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in (name for name in listed.decode().split("\0") if (ROOT / name).is_file()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    foreign = {one.table["image"] for one in compose.services().values() if not one.is_ours}
    with engine(tmp_path_factory.mktemp("engine"), dockerd, plugin) as made:
        import_images(made, ROOT / "build" / "containers", {name: _standin(name) for name in foreign})
        place = Site(made, folder)
        secrets, environment, build, *_ = commands()
        place.shell(secrets)
        place.shell(environment.replace("COMPOSE_PROFILES=cpu", "COMPOSE_PROFILES=cpu,page,demo"))
        (folder / ".env").write_text((folder / ".env").read_text() + "AUSCULT_TOML=docker/demo/auscult.toml\n")
        place.shell(build.partition("\n")[0])
        yield place


def commands() -> list[str]:
    """Return the blocks of commands of production.md, in their order."""
    return [block for block in blocks("howto/production.md") if "proxy" not in block]


def _standin(image: str) -> str:
    """Return the folder of an image's stand-in: the last part of its name, without the tag."""
    return image.partition(":")[0].rpartition("/")[2]
