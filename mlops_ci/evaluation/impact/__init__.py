"""Finds the datasets and models that a change affects."""
