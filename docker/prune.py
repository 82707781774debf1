"""Takes from an installed environment what nothing in the image uses, and compiles what is used.

The environment is immutable and read-only where it runs: what is not compiled here is compiled at each start.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

#: Folders of packages, as patterns below site-packages, that only their own tests, builds or notebooks read.
UNUSED_FOLDERS = (
    *("*/tests", "*/*/tests", "*/*/*/tests", "*/testing", "*/include", "*/*/include"),
    *("numpy/f2py", "numpy/distutils", "onnxruntime/datasets", "onnxruntime/tools", "onnxruntime/transformers"),
    *("onnxruntime/quantization", "_gdcm/XML"),
)
#: Files for compilers and type checkers, the runtime of ONNX for programs in C (Python's part of it has its own in
#: itself), and what colours source text.
UNUSED_FILES = ("*.pyi", "*.pxd", "*.h", "*.a", "libonnxruntime.so.*", "pygments/lexers/[!_]*.py")
#: Packages whose folder of that kind is imported when they run.
USED = ("numpy/testing", "numpy/_core/include")
#: The services of which the object store's client has to know: a bucket, and who may open it.
SERVICES = ("s3", "sts", "sso", "sso-oidc")
#: Files of which copies within one folder become links.
_LARGE = 100_000
#: What some of our modules import, which an image for processors does without.
OPTIONAL = ("torch", "torchvision", "sklearn", "scipy", "matplotlib", "onnx")
OURS = ("service", "worker", "models", "training", "migrations")


def main(packages: Path) -> None:
    """Prune one site-packages folder, which is this interpreter's own."""
    _remove(packages)
    for path in packages.rglob("*.json"):
        if path.stat().st_size > _LARGE:
            path.write_text(json.dumps(json.loads(path.read_text("utf-8")), separators=(",", ":")), "utf-8")
    libraries = list(packages.rglob("*.so*"))
    for folder in {path.parent for path in libraries}:
        _link_copies(folder)
    # Libraries in *.libs were moved by their wheel's builder, and need not survive a second tool.
    plain = [str(path) for path in libraries if not path.is_symlink() and not path.parent.name.endswith(".libs")]
    subprocess.run(["strip", "--strip-unneeded", *plain], check=True)
    _compile()


def _remove(packages: Path) -> None:
    """Remove what nothing in the image reads."""
    for pattern in UNUSED_FOLDERS:
        for folder in packages.glob(pattern):
            if folder.is_dir() and str(folder.relative_to(packages)) not in USED:
                shutil.rmtree(folder)
    for pattern in UNUSED_FILES:
        for path in packages.rglob(pattern):
            path.unlink()
    for data in (packages / "botocore" / "data", packages / "boto3" / "data"):
        for folder in data.iterdir():
            if folder.is_dir() and folder.name not in SERVICES:
                shutil.rmtree(folder)


def _compile() -> None:
    """Import the modules of auscult that a gateway runs, which compiles them and what they need."""
    for name in _modules():
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            if error.name not in OPTIONAL:
                raise


def _link_copies(folder: Path) -> None:
    """Replace copies of a library under its shorter names by links."""
    seen: dict[bytes, Path] = {}
    for path in sorted(folder.glob("*.so*"), key=lambda path: -len(path.name)):
        if path.is_symlink() or path.stat().st_size < _LARGE:
            continue
        first = seen.setdefault(path.read_bytes(), path)
        if first != path:
            path.unlink()
            path.symlink_to(first.name)


def _modules() -> Iterator[str]:
    """Yield the names of the modules that a gateway may run."""
    for name in OURS:
        for module in walk_packages(import_module(name).__path__, f"{name}."):
            # A script runs when it is imported, and training needs what this image may not have.
            if not module.name.startswith(("training", "migrations")) and not module.name.endswith("__main__"):
                yield module.name


if __name__ == "__main__":
    main(Path(sys.argv[1]))
