"""Model packages: model formats, structural digests and golden rows."""
