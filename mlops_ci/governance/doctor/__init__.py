"""Checks of a repository's setup: problems that make commands fail, and which policies GitHub enforces."""
