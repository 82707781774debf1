"""`python -m docs.pictures`: the README's pictures of the page and the demo's table, taken of a demo that runs."""

import re
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path

from PIL import Image

IMAGES = Path(__file__).parent / "images"
README = Path(__file__).parents[1] / "README.md"
_COMMAND = "from service.cli import main; main()"
_WORKLIST = re.compile(r"The reading worklist: (http://127\.0\.0\.1:\d+)/")
_TABLE = re.compile(r"(?<=```text\n)auscult: research use only.*?(?=```)", re.DOTALL)
_STUDY = re.compile(r'href="(/studies/[^"]+)"')


def main() -> None:
    """Run the demo, photograph its worklist and the study that is read first, and copy its table."""
    with _demo() as (address, told):
        _photograph(address + "/", IMAGES / "worklist.png", (1180, 1240))
        with urllib.request.urlopen(address + "/") as page:  # noqa: S310 - http, of this machine
            first = _STUDY.search(page.read().decode())
        if first is None:
            raise SystemExit("the worklist shows no study")
        _photograph(address + unescape(first[1]), IMAGES / "study.png", (1180, 740))
    README.write_text(_TABLE.sub(lambda _: told, README.read_text(encoding="utf-8")), encoding="utf-8")


@contextmanager
def _demo() -> Iterator[tuple[str, str]]:
    """Run the demo until the block ends; give the page's address, and what the demo has told until then."""
    command = [sys.executable, "-c", _COMMAND, "demo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        try:
            told = ""
            for line in process.stdout or ():
                found = _WORKLIST.search(line)
                if found is not None:
                    yield found[1], told
                    break
                told += line.rstrip() + "\n"
            else:
                raise SystemExit(f"the demo has ended: {told}")
        finally:
            process.terminate()


def _photograph(address: str, to: Path, size: tuple[int, int]) -> None:
    """Write a picture of the top of a page, of a width and height in pixels."""
    width, height = size
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *(f"--user-data-dir={profile}", f"--window-size={width},{height}", "--timeout=5000"),
                *(f"--screenshot={to}", address),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )
    with Image.open(to) as picture:
        picture.convert("RGB").save(to, optimize=True)


if __name__ == "__main__":
    main()
