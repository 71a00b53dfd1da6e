"""The user's git repository: objects, refs, signatures, the default branch and the specs on it."""
