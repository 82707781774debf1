"""English (United States)."""

from service.texts.english import facts

TEXTS = {**facts.TEXTS}
