"""The verbs that only CI jobs need: `mlops-ci ci VERB`."""
