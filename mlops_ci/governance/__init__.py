"""Who may write, and whether the registry is what it says: policy, approvals, audit, doctor."""
