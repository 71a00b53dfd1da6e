"""Validation of specs: each document against its schema, then names and values across documents. Nothing is imported."""
