"""What a check of `auscult doctor` yields."""

from collections.abc import Iterator

from service.texts import Sentence
from service.vocabulary.errors import AuscultError

#: What was looked at, whether it is as it must be, and what was found with the remedy.
Found = Iterator[tuple[Sentence | str, bool, Sentence | AuscultError | str]]
