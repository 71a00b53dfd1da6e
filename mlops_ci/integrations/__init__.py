"""Outside tools behind our own protocols."""
