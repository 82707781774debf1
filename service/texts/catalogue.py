"""Texts of one language, looked up by code."""

import re
from collections.abc import Mapping
from enum import Enum
from functools import cache

from service.texts import english, vietnamese
from service.vocabulary.errors import AuscultError
from service.vocabulary.language import Language

_CATALOGUES: Mapping[Language, Mapping[str, str]] = {
    Language.ENGLISH: english.TEXTS,
    Language.VIETNAMESE: vietnamese.TEXTS,
}


class Sentence:
    """A sentence by its code and the values of its placeholders: nobody has said yet in which language.

    As text it is English, which is the language of the log.
    """

    def __init__(self, code: str, **values: object) -> None:
        self.code = code
        self.values = values

    def __str__(self) -> str:
        return texts_in(Language.ENGLISH).told(self)


class Texts:
    """Texts of one language; called with a code and the values of its placeholders."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._texts = _CATALOGUES[language]

    def __call__(self, code: str, **values: object) -> str:
        """Return a text; a code that no catalogue holds is a fault of auscult's own."""
        return self._texts[code].format(**{name: self._told_in(value) for name, value in values.items()})

    def told(self, what: object) -> str:
        """Return a sentence, or what an error says, in this language; any other text as it is."""
        if isinstance(what, Sentence):
            return self(what.code, **what.values)
        if isinstance(what, AuscultError) and what.message is not None:
            return self.told(what.message)
        return str(what)

    def _told_in(self, value: object) -> object:
        """Return a placeholder's value; a sentence within a sentence is of the same language."""
        return self.told(value) if isinstance(value, Sentence | AuscultError) else value

    def of(self, fact: Enum) -> str:
        """Return the words for a member of one of the vocabulary's enumerations."""
        return self._texts[code_of(fact)]

    def of_stored(self, kind: type[Enum], value: str | None) -> str:
        """Return the words for a stored value; one that only another version knows is shown as it is."""
        try:
            return self.of(kind(value))
        except ValueError:
            return (value or "").replace("_", " ")

    def number_of(self, code: str, count: int, **values: object) -> str:
        """Return the text for a number of things; languages that tell one from many have a text of each."""
        return self(f"{code}.one" if count == 1 else f"{code}.many", count=count, **values)


@cache
def texts_in(language: Language) -> Texts:
    """Return the texts of a language."""
    return Texts(language)


def code_of(fact: Enum) -> str:
    """Return the code of a member's text, such as ``flag.age_unknown``."""
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(fact).__name__).lower()
    return f"{kind}.{fact.name.lower()}"
