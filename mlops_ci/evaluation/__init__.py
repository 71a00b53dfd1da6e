"""From a change to a verdict: candidates, rules, baselines, holdout, statistics, verdict."""
