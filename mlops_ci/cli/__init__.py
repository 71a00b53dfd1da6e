"""The command line: parses the arguments, runs the step, applies its plan, prints its report and returns the exit code."""
