"""Text as it is searched: without case and accents, so that "nguyen" finds "Nguyễn"."""

import unicodedata
from functools import lru_cache
from typing import Any

from sqlalchemy import String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

#: The name of the function in SQLite, which has none of its own.
NAME = "auscult_folded"

_LETTERS = ["Đ", "đ", *(chr(number) for number in range(0x370, 0x530) if len(chr(number).lower()) == 1)]
_FOLDED = {letter: letter.lower().replace("đ", "d") for letter in _LETTERS}
#: Letters of Vietnamese, Greek and Cyrillic that no accent makes, and what they are folded to.
_CAPITALS = "".join(letter for letter, small in _FOLDED.items() if letter != small)
_SMALL = "".join(small for letter, small in _FOLDED.items() if letter != small)


@lru_cache(maxsize=16)  # each word of a search is looked for in the same text, one after the other
def fold(text: str | None) -> str:
    """Return a text without case and accents; marks that join nothing else are kept."""
    if text is None or text.isascii():
        return (text or "").lower()
    parts = unicodedata.normalize("NFD", text.lower())
    return "".join(part for part in parts if not "\u0300" <= part <= "\u036f").replace("đ", "d")


class folded(GenericFunction[str]):  # noqa: N801 - SQL's functions are written so
    """The same in SQL."""

    type = String()
    inherit_cache = True


@compiles(folded, "sqlite")
def _sqlite(element: folded, compiler: Any, **options: Any) -> str:
    return f"{NAME}({compiler.process(element.clauses, **options)})"


@compiles(folded, "postgresql")
def _postgresql(element: folded, compiler: Any, **options: Any) -> str:
    decomposed = f"normalize({compiler.process(element.clauses, **options)}, NFD)"
    stripped = f"lower(regexp_replace({decomposed}, '[\u0300-\u036f]', '', 'g'))"
    # In a database with the locale C, lower() knows the letters of ASCII alone.
    return f"translate({stripped}, '{_CAPITALS}', '{_SMALL}')"
