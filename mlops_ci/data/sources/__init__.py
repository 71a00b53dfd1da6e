"""Where rows come from: files, their formats, and which of them a dataset reads."""
