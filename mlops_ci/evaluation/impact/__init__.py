"""Which datasets and models a change touches."""
