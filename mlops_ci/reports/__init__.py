"""Records as text, Markdown, JSON, annotations and SARIF. Reports read records, nothing else."""
