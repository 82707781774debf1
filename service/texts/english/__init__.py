"""English (United States)."""

from service.texts.english import checks, facts, page, report, terminal, trouble, worklist

TEXTS = {
    **checks.TEXTS,
    **facts.TEXTS,
    **page.TEXTS,
    **report.TEXTS,
    **terminal.TEXTS,
    **trouble.TEXTS,
    **worklist.TEXTS,
}
