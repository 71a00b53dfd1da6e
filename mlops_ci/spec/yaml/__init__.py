"""Reads YAML into nodes that know their line and column."""
