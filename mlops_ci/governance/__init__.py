"""Write permissions and integrity of the registry: policy, approvals, audit, doctor."""
