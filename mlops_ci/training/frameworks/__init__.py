"""Machine learning frameworks: from a `train` block to an unfitted estimator."""
