"""Torch loads only where it is used, and heavy libraries only when their command is called."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.invariants import Invariant

ROOT = Path(__file__).resolve().parents[1]


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=110, check=False
    )


@pytest.mark.proves(Invariant.TORCH_IS_OPTIONAL)
@pytest.mark.parametrize("package", ["service", "worker"])
def test_every_module_of_the_service_and_the_worker_imports_without_torch(package: str) -> None:
    names = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__main__.py"
    )
    # None in sys.modules makes every import of that name fail.
    code = (
        "import importlib, sys\n"
        "sys.modules['torch'] = sys.modules['torchvision'] = None\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
    )
    result = run_python(code)
    assert result.returncode == 0, result.stderr


def test_every_command_loads_where_only_the_base_set_is_installed() -> None:
    extras = ("torch", "torchvision", "onnx", "sklearn", "scipy", "matplotlib")
    code = (
        "import sys, click\n"
        f"sys.modules.update(dict.fromkeys({extras!r}))\n"
        "from service.cli import _group\n"
        "context = click.Context(_group)\n"
        "for name in _group.list_commands(context): assert _group.get_command(context, name), name\n"
    )
    result = run_python(code)
    assert result.returncode == 0, result.stderr


def test_the_command_alone_loads_no_heavy_library() -> None:
    heavy = ("numpy", "cv2", "onnxruntime", "sqlalchemy", "pynetdicom", "highdicom", "celery", "torch")
    result = run_python(f"import service.cli, sys; print([name for name in {heavy!r} if name in sys.modules])")
    assert result.stdout.strip() == "[]", result.stderr
