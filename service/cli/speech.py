"""The language of commands that do without the settings, or that find them wrong."""

from service.settings import load
from service.texts import Texts, texts_in
from service.vocabulary.errors import SettingsInvalid
from service.vocabulary.language import Language


def site_texts() -> Texts:
    """Return the texts of the site's language; the English ones where the settings do not tell it."""
    try:
        return texts_in(load().language)
    except SettingsInvalid:
        return texts_in(Language.ENGLISH)
