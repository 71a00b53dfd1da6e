"""Checks of type `custom-sql`: an expression of a spec is judged before it runs, and runs in a process with limits."""
