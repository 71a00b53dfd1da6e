"""What happened, as frozen values: `base`, `training_run`, `comparison` and `events`."""
