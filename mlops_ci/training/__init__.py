"""Training, packaging, scoring, and the statistics of comparing two models."""
