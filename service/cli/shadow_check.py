"""What `auscult doctor` says of sources in shadow."""

from service.cli.found import Found
from service.cli.shadow import in_words
from service.operations.bootstrap import open_ledger
from service.settings import Settings
from service.texts import Sentence, texts_in
from service.vocabulary.errors import Unavailable


def shadow_check(settings: Settings) -> Found:
    """Tell which sources are in shadow, and what each needs to leave it; that is no fault."""
    try:
        ledger = open_ledger(settings)
    except Unavailable:
        return  # what is wrong with the database is told there
    try:
        standing = ledger.shadow.standing()
    finally:
        ledger.engine.dispose()
    if not standing:
        yield Sentence("check.shadow"), True, Sentence("shadow.nobody")
    for view in standing:
        yield Sentence("check.shadow"), True, in_words(texts_in(settings.language), settings, view)
