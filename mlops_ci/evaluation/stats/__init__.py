"""Statistics of one model and of paired models: metrics, intervals, tests. Pure functions over arrays."""
