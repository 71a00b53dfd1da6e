"""From predictions to a verdict: slices, requirements, tests against baselines, one sentence."""
