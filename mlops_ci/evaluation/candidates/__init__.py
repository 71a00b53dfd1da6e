"""Candidates: their identity, their training runs, and released versions checked out again."""
