"""English (United States)."""

from service.texts.english import (
    checks,
    facts,
    feedback,
    history,
    page,
    reading_list,
    report,
    terminal,
    trouble,
    turnaround,
    viewer,
    worklist,
)

TEXTS = {
    **checks.TEXTS,
    **facts.TEXTS,
    **feedback.TEXTS,
    **history.TEXTS,
    **page.TEXTS,
    **reading_list.TEXTS,
    **report.TEXTS,
    **terminal.TEXTS,
    **trouble.TEXTS,
    **turnaround.TEXTS,
    **viewer.TEXTS,
    **worklist.TEXTS,
}
