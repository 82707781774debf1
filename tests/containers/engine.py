"""A container engine of the tests' own: Debian's dockerd on a socket in a folder, and Compose as its plug-in.

It runs the images that docker-compose.yml names. What cannot be pulled where tests run has a stand-in of Debian's
packages under the same name: `standins/`.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import servers
from tests.containers.dockerfile import ROOT

#: Where a machine keeps the authorities that it trusts beside those of Debian.
_AUTHORITIES = Path("/usr/local/share/ca-certificates")
#: What an image of Debian's own leaves out.
_SLIM = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale", "info")]
_MERGED = ["--include=usr-is-merged", "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"]
_SERVERS = ["--include=postgresql-17,redis-server,orthanc"]
_BUILD_TIMEOUT_S = 1500


@dataclass(frozen=True)
class Engine:
    """An engine that runs, and how to talk to it."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which `docker` reaches this engine and no other."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("AUSCULT_", "COMPOSE_"))}
        return {**own, "DOCKER_HOST": f"unix://{self.folder / 'socket'}", "DOCKER_CONFIG": str(self.folder / "client")}

    def docker(self, *arguments: str, folder: Path = ROOT, more: Mapping[str, str] | None = None) -> str:
        """Run `docker`; return what it wrote to its standard output.

        Raises
        ------
        RuntimeError
            When it fails; the message is the end of what it wrote.
        """
        ran = self.tried(*arguments, folder=folder, more=more)
        if ran.returncode != 0:
            raise RuntimeError(f"docker {' '.join(arguments)[:200]}: {ran.stdout[-1500:]}\n{ran.stderr[-3000:]}")
        return ran.stdout

    def tried(
        self, *arguments: str, folder: Path = ROOT, more: Mapping[str, str] | None = None, line: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run `docker`, whatever comes of it."""
        return subprocess.run(
            ["/usr/bin/docker", *arguments],
            cwd=folder,
            env=self.environment | dict(more or {}),
            input=line,
            capture_output=True,
            text=True,
            timeout=_BUILD_TIMEOUT_S,
            check=False,
        )


@contextmanager
def engine(folder: Path, dockerd: str, compose: Path) -> Iterator[Engine]:
    """Run an engine whose images, containers and networks are its own and end with it."""
    made = Engine(folder)
    plugins = folder / "client" / "cli-plugins"
    plugins.mkdir(parents=True)
    shutil.copy(compose, plugins / "docker-compose")
    (plugins / "docker-compose").chmod(0o755)
    command = [dockerd, "--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")]
    command += ["--pidfile", str(folder / "pid"), "--host", f"unix://{folder / 'socket'}"]
    with servers.running(command, folder / "log", lambda: made.tried("info").returncode == 0):
        try:
            yield made
        finally:
            left = made.docker("ps", "--all", "--quiet").split()
            if left:
                made.docker("rm", "--force", "--volumes", *left)
            made.docker("network", "prune", "--force")


def build_arguments() -> dict[str, str]:
    """Return what the build has to be told on this machine: a base that is here, its authorities, its index."""
    own = [path.read_text() for path in sorted(_AUTHORITIES.rglob("*.crt"))]
    index = os.environ.get("PIP_INDEX_URL")
    return {
        "BASE_IMAGE": "debian:12.13-slim",
        **({"SITE_CA": "\n".join(own)} if own else {}),
        **({"PIP_INDEX_URL": index} if index else {}),
    }


def import_images(made: Engine, cache: Path, wanted: Mapping[str, str]) -> None:
    """Give the engine Debian as the Dockerfile's base, and a stand-in for each image of others.

    Parameters
    ----------
    cache
        A folder in which the file systems are kept for the next time.
    wanted
        The stand-in's folder for each image's name.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as both:
        debian = both.submit(_file_system, cache / "bookworm.tar", "bookworm", [*_SLIM, *_MERGED])
        standin = both.submit(_file_system, cache / "servers.tar", "trixie", [*_SLIM, *_SERVERS])
        made.docker("import", str(debian.result()), build_arguments()["BASE_IMAGE"])
        made.docker("import", str(standin.result()), "standin")
    for image, name in wanted.items():
        # The classic builder: an image of this engine's is never looked for in a registry.
        context = str(Path(__file__).with_name("standins") / name)
        made.docker("build", "--quiet", "--tag", image, context, more={"DOCKER_BUILDKIT": "0"})


def _file_system(archive: Path, suite: str, options: list[str]) -> Path:
    """Return a tar of a Debian of the mirror that this machine's apt uses; made once."""
    if archive.is_file():
        return archive
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE)"], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    site = next(line.split()[0] for line in targets if line.endswith(" bookworm"))
    security = next((line.split()[0] for line in targets if line.endswith("-security")), None)
    sources = [f"deb {site} {suite} main", *([f"deb {security} {suite}-security main"] if security else [])]
    part = archive.with_suffix(".part")
    ran = subprocess.run(
        ["mmdebstrap", "--variant=apt", "--mode=root", "--format=tar", *options, suite, str(part), *sources],
        capture_output=True,
        text=True,
        timeout=_BUILD_TIMEOUT_S,
        check=False,
    )
    if ran.returncode != 0:
        raise RuntimeError(f"mmdebstrap {suite}: {ran.stderr[-3000:]}")
    return part.rename(archive)
