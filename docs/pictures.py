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
#: How long a page is looked at: by the clock on the wall where it keeps asking; a study by the page's own clock, which
#: stands while an answer is under way, for the viewer's grey values come after its picture.
_WAIT, _WAIT_FOR_ANSWERS = "--timeout=5000", "--virtual-time-budget=5000"
#: Pictures of a study: their file, width and height in pixels, and whether their colours are dark.
_LOOKS = (
    ("study.png", (1280, 1000), True),
    ("study-light.png", (1280, 1000), False),
    ("study-narrow.png", (390, 1200), True),
    ("study-narrow-light.png", (390, 1200), False),
)
_STUDY = re.compile(r'href="(/studies/[^"]+)"')


def main() -> None:
    """Run the demo, photograph its worklist and the study that is read first in two widths and both colour schemes."""
    with _demo() as (address, told):
        _photograph(address + "/", IMAGES / "worklist.png", (1180, 1240))
        with urllib.request.urlopen(address + "/") as page:  # noqa: S310 - http, of this machine
            first = _STUDY.search(page.read().decode())
        if first is None:
            raise SystemExit("the worklist shows no study")
        study = address + unescape(first[1])
        for name, size, is_dark in _LOOKS:
            _photograph(study, IMAGES / name, size, wait=_WAIT_FOR_ANSWERS, is_dark=is_dark)
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


def _photograph(address: str, to: Path, size: tuple[int, int], *, wait: str = _WAIT, is_dark: bool = True) -> None:
    """Write a picture of the top of a page, of a width and height in pixels."""
    width, height = size
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                f"--blink-settings=preferredColorScheme={0 if is_dark else 1}",
                *(f"--user-data-dir={profile}", f"--window-size={width},{height}", wait),
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
