"""Benchmarks: each `bench_*.py` compares ways to do one thing and prints a table (`make bench`)."""
