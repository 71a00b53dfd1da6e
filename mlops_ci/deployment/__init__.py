"""Turns a release and a Deployment spec into manifests and an assignment."""
