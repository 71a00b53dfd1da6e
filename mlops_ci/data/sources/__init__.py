"""Sources of rows: finds the files of a dataset and checks their formats."""
