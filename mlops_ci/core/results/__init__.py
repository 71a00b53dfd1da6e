"""What each step answers: the record of its Outcome, for reports and for `--format json`. Git keeps none of these."""
