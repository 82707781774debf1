"""How long things took: the page."""

TEXTS = {
    "turnaround.title": "Turnaround",
    "turnaround.what": "What half of the waits, and 95 % of them, did not exceed"
    " in the last 24 hours; within 5 % of the wait."
    " Each wait counts in the hour in which it ended.",
    "turnaround.receipt_to_flag_seconds": "Image to result",
    "turnaround.flag_to_read_seconds": "Result to reading",
    "turnaround.receipt_to_confirmed_seconds": "Image to confirmed report",
    "turnaround.target": "target of 95 %: {target}",
    "turnaround.median": "half",
    "turnaround.p95": "95 % of them",
    "turnaround.waits.one": "1 wait",
    "turnaround.waits.many": "{count} waits",
    "turnaround.late": "above the target",
    "turnaround.by_source": "By source",
    "turnaround.by_hour": "By hour",
    "turnaround.all_sources": "All sources",
    "turnaround.hour": "Hour from",
    "turnaround.none": "Nothing has been waited for in the last 24 hours.",
    "status.turnaround": "Half / 95 % of the waits of 24 hours",
}
