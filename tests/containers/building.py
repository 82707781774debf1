"""Builds a target of the Dockerfile without an engine: each stage a folder, each RUN in a chroot.

The folder of a Debian image is made by debootstrap from the mirror that this machine's apt uses; pip and uv install
from where this machine's do.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.containers.dockerfile import ROOT, Stage, Step, ignore_patterns, is_ignored, stages

#: The name of each release of Debian that an image may start from.
_RELEASES = {"12": "bookworm", "13": "trixie"}
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CLIENTS = re.compile(r"(PIP|UV)_|https?_proxy|no_proxy", re.IGNORECASE)
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


class Build:
    """The stages that were built, below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stages = stages()
        self._roots: dict[str, Path] = {}
        self.ran: list[str] = []

    def root(self, name: str) -> Path:
        """Return the file system of a stage, built once."""
        if name not in self._roots:
            stage = self._stages[name]
            root = self._folder / name
            if stage.origin in self._stages:
                _run(["cp", "--archive", "--reflink=auto", str(self.root(stage.origin)), str(root)])
            else:
                _bootstrap(stage.origin, root)
            self._steps(stage, root)
            self._roots[name] = root
        return self._roots[name]

    def environment(self, name: str) -> dict[str, str]:
        """Return what the ENV instructions of a stage, and of those that it is made of, set."""
        stage = self._stages[name]
        found = self._inherited(stage)
        for step in stage.steps:
            if step.instruction == "ENV":
                found |= _set_by(step)
        return found

    def _inherited(self, stage: Stage) -> dict[str, str]:
        return self.environment(stage.origin) if stage.origin in self._stages else {"PATH": _PATH}

    def _steps(self, stage: Stage, root: Path) -> None:
        folder, environment = "/", self._inherited(stage)
        for step in stage.steps:
            match step.instruction:
                case "RUN":
                    inside(root, ["/bin/sh", "-c", f"cd {folder} && {step.rest}"], environment)
                    self.ran.append(step.rest)
                case "COPY":
                    self._copy(step, root, folder)
                case "WORKDIR":
                    folder = step.rest
                    (root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
                case "ENV":
                    environment |= _set_by(step)
                case "ARG" | "USER" | "ENTRYPOINT":
                    continue
                case _:
                    raise ValueError(f"{step.instruction} is not an instruction that this build knows")

    def _copy(self, step: Step, root: Path, folder: str) -> None:
        origin, sources, target = step.copied()
        for source in sources:
            place = root / str(Path(folder) / target).lstrip("/")
            start = ROOT if origin is None else self.root(origin)
            path = start / source.lstrip("/")
            to = place if path.is_dir() or not target.endswith("/") else place / path.name
            to.parent.mkdir(parents=True, exist_ok=True)
            if origin is None:
                _copy_from_context(path, to)
            else:
                _run(["cp", "--archive", "--no-target-directory", str(path), str(to)])


def _set_by(step: Step) -> dict[str, str]:
    """Return what an ENV sets; a build argument that was not given is empty."""
    return {name: re.sub(r"\$\{\w+\}", "", value) for name, value in step.assigned().items()}


def inside(root: Path, command: Sequence[str], environment: Mapping[str, str], user: str = "root") -> str:
    """Run a command in a file system; return what it wrote.

    Raises
    ------
    RuntimeError
        When it fails; the message is the end of what it wrote.
    """
    clients = {name: value for name, value in os.environ.items() if _CLIENTS.match(name) and name != "PIP_FIND_LINKS"}
    if _AUTHORITIES.is_file():
        # What this machine trusts, whatever the image installs at /etc/ssl.
        clients |= dict.fromkeys(("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), "/authorities.crt")
    words = [str(shutil.which("chroot", path=_PATH)), f"--userspec={user}", str(root), *command]
    ran = subprocess.run(
        words,
        env={"HOME": "/tmp", "DEBIAN_FRONTEND": "noninteractive", **clients, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    if ran.returncode != 0:
        raise RuntimeError(f"{' '.join(command)[:300]}: {ran.returncode}\n{ran.stdout[-2000:]}\n{ran.stderr[-3000:]}")
    return ran.stdout


def _bootstrap(image: str, root: Path) -> None:
    release = re.fullmatch(r"debian:(\d+)\.\d+-slim", image)
    if release is None:
        raise ValueError(f"{image} is not an image of Debian's that this build knows")
    suite = _RELEASES[release[1]]
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE)"], capture_output=True, text=True, check=True
    )
    site = next(target.split()[0] for target in targets.stdout.splitlines() if target.endswith(f" {suite}"))
    _run(["debootstrap", "--variant=minbase", suite, str(root), site])
    shutil.copytree("/etc/apt/apt.conf.d", root / "etc/apt/apt.conf.d", dirs_exist_ok=True)
    for name in ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf"):
        if Path(name).is_file():
            shutil.copy(name, root / name.lstrip("/"))
    if _AUTHORITIES.is_file():
        shutil.copy(_AUTHORITIES, root / "authorities.crt")


def _copy_from_context(path: Path, to: Path) -> None:
    patterns = ignore_patterns()

    def ignored(folder: str, names: list[str]) -> list[str]:
        below = Path(folder).relative_to(ROOT)
        return [name for name in names if is_ignored(str(below / name), patterns)]

    if path.is_dir():
        shutil.copytree(path, to, ignore=ignored, dirs_exist_ok=True)
    else:
        shutil.copy(path, to)


def _run(command: Sequence[str]) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=1500, check=False)
    if ran.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {ran.returncode}\n{ran.stdout[-2000:]}\n{ran.stderr[-2000:]}")
