"""Datasets: where rows come from, what they must be, what they are, and which of them a model may learn from."""
