"""Both papers rebuilt: every row as data, and what runs, measures and draws it."""
