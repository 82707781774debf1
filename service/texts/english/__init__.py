"""English (United States)."""

from service.texts.english import facts, page, report, worklist

TEXTS = {**facts.TEXTS, **page.TEXTS, **report.TEXTS, **worklist.TEXTS}
