"""Measures the gate's error rates by running simulated models through the code that evaluates real models."""
