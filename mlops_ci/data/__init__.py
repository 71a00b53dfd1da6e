"""Datasets: reads the rows, runs the checks, computes profile and digest, and splits training rows from the holdout."""
