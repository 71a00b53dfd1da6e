"""Packaged models: files, digests, and reference predictions."""
