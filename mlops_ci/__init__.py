"""GitOps CI/CD for machine learning: specs in git drive data checks, training, gates, releases and deployments."""

__version__ = "0.1.0"
