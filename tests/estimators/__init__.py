"""Every estimator through the whole story: `python -m tests.estimators` (`nox -s estimators`)."""
