"""Adapters to external tools, behind the toolkit's own protocols."""
