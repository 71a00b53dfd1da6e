"""Benchmarks: ratios of alternated runs of whole processes, since single times on shared machines say little."""
