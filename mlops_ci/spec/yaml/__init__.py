"""YAML as marked values: events composed into nodes that know their line and column."""
