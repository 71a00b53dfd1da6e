"""Renders records as text, Markdown, JSON, annotations and SARIF. Reports read nothing but records."""
