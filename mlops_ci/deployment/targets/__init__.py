"""A release and a Deployment spec to the files that a delivery tool applies. Pure: nothing here touches git or a cluster."""
