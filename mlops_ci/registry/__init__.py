"""What happened: events, runs, stored objects and holdout ledgers, as git keeps them."""
