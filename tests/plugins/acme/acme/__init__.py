"""A package of plugins, as another author would write it: one file each."""
