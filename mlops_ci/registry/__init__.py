"""The registry: events, runs, stored objects and holdout ledgers, kept in git."""
