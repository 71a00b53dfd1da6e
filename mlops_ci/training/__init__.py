"""Training, packaging and scoring of models, in worker processes."""
