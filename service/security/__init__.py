"""Transport security and passwords."""
