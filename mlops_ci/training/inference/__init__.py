"""Predictions, costs and custom metrics of packaged models, each in a worker process."""
