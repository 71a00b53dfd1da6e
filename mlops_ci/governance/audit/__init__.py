"""Whether the registry is what it says it is: one file a concern, each from what git holds to the breaks found in it."""
