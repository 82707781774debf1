"""English (United States)."""

from service.texts.english import facts, report

TEXTS = {**facts.TEXTS, **report.TEXTS}
