"""From a release and a Deployment spec to manifests and an assignment."""
