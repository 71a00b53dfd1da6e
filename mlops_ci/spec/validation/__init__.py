"""Validates specs: each document against its schema, then references between documents. No user code is imported."""
