"""Worker processes and the JSON jobs that they run. They receive no secret and no registry."""
