"""The verbs that only jobs of CI need: `mlops-ci ci VERB`."""
