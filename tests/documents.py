"""What stands in the documents to be done, so that tests do it as it stands there."""

import re
import textwrap
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"


def blocks(document: str, language: str = "") -> list[str]:
    """Return the fenced blocks of one language, in a document such as ``howto/tls.md``; without one, the commands."""
    text = (DOCS / document).read_text(encoding="utf-8")
    found = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(content) for name, content in found if name == language]
