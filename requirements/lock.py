"""Write the locked requirements beside this file anew from pyproject.toml (`make lock`).

One resolution covers everything, so that the sets agree; each smaller set is then cut out of it.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
UV = Path(sys.executable).with_name("uv")

#: The extras of each set; the first holds all the others.
SETS = {
    "test": ("gpu", "train", "test"),
    "train": ("train",),
    "gpu": ("gpu",),
    "base": (),
}
HEADER = "# Written by `make lock` from pyproject.toml; do not edit.\n"


def compile_set(source: str, target: Path, *options: str) -> None:
    """Resolve one set for Python 3.11 and newer, with the hash of every file, and without the address of any index."""
    command = [str(UV), "pip", "compile", source, "--universal", "--python-version", "3.11", "--generate-hashes"]
    command += ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--no-config", "--quiet"]
    subprocess.run([*command, *options, "--output-file", str(target)], cwd=ROOT, check=True, timeout=600)
    target.write_text(HEADER + target.read_text())


def main() -> None:
    """Write every set; `--upgrade` takes the newest versions instead of those locked before."""
    upgrade = sys.argv[1:]
    for name, extras in SETS.items():
        options = [option for extra in extras for option in ("--extra", extra)]
        options += upgrade if name == "test" else ["--constraints", "requirements/test.txt"]
        compile_set("pyproject.toml", HERE / f"{name}.txt", *options)
    compile_set("requirements/uv.in", HERE / "uv.txt", *upgrade)


if __name__ == "__main__":
    main()
