"""What each process has of its own: a log, a clock, pauses, a sign of life."""
