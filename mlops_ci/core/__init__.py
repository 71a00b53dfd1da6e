"""Values that every room shares: records, results, plans, diagnostics, errors; and the process runner."""
