"""How a repository is set up: what would make commands fail, and which policies somebody enforces."""
