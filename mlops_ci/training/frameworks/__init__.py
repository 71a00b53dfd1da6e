"""Machine learning frameworks: they build an unfitted estimator from a `train` block, and fit it."""
