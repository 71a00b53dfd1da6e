"""All code that is specific to GitHub."""
