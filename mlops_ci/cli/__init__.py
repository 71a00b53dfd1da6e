"""The command line: argv to step to report to applied plan to exit code."""
