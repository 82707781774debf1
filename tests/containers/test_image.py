"""The `cpu` image, built without an engine: every RUN of its stages in a chroot, then the command in what they made."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.containers.building import Build, inside
from tests.containers.dockerfile import chain, stages

#: What a site pulls to each machine; the network's weights and ONNX Runtime are the largest part.
MOST_BYTES = 1_500_000_000


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_steps_of_the_cpu_image_make_one_that_works(tmp_path: Path, program: Callable[[str], str]) -> None:
    program("debootstrap")
    if os.geteuid() != 0:
        pytest.skip("only root may make a file system for a chroot")
    build = Build(tmp_path)
    root = build.root("cpu")
    made_of = [stage for one in ("cpu", "cpu-packages") for stage in chain(stages(), one)]
    steps = {step.rest for stage in made_of for step in stage.steps if step.instruction == "RUN"}
    assert set(build.ran) == steps
    environment = build.environment("cpu")
    assert environment["PATH"].startswith("/opt/auscult/bin:")

    def auscult(*arguments: str) -> str:
        return inside(root, ["auscult", *arguments], environment, "10001:10001")

    assert "auscult, version" in auscult("--version")
    assert "of this version" in auscult("db", "upgrade")
    auscult("checkpoint", "verify")
    auscult("sweep", "--once")
    installed = inside(root, ["ls", "/opt/auscult/lib/python3.11/site-packages"], environment)
    assert {"torch", "pip", "uv"}.isdisjoint(installed.split())
    assert not (root / "opt" / "tools").exists()
    inside(root, ["sh", "-c", "! find /opt /usr -writable ! -type l | grep -q ."], environment, "10001:10001")
    size = sum(path.lstat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    assert size < MOST_BYTES, size
