"""Targets turn a release and a Deployment spec into files for a delivery tool. They use neither git nor a cluster."""
