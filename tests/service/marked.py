"""A catalogue whose every text is marked, so that words from elsewhere stand out."""

import re

import pytest

from service.texts import Texts, texts_in
from service.vocabulary.language import Language


def mark(language: Language, monkeypatch: pytest.MonkeyPatch) -> Texts:
    """Mark every text of a language until the test ends."""
    say = texts_in(language)
    monkeypatch.setattr(say, "_texts", {code: f"⟦{text}⟧" for code, text in say._texts.items()})
    return say


def outside(text: str, *same: str) -> list[str]:
    """Return the words of a text that stand outside of the marks, which may be nested.

    Parameters
    ----------
    same
        Words that may.
    """
    before = None
    while before != text:
        before, text = text, re.sub(r"⟦[^⟦⟧]*⟧", " ", text)
    for word in same:
        text = text.replace(word, " ")
    return re.findall(r"[^\W\d_]{2,}", text)
