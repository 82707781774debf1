"""Long trials of the whole: each is a program with parameters that `make` runs, and a bounded one that pytest runs."""
