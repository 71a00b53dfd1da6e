"""The holdout of a candidate: its rows, its sealed source, and the budget of evaluations."""
