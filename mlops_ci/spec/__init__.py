"""Specs: YAML with marks, validated, as frozen values."""
