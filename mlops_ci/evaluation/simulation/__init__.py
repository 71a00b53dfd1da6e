"""The gate's error rates, measured by putting simulated models through the code that judges real ones."""
