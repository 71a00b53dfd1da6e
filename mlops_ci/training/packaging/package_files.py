"""The names of a package's files other than the model file. They are equal in all formats; this toolkit writes them."""

from __future__ import annotations

SIGNATURE_FILE, REQUIREMENTS_FILE = "signature.json", "requirements.txt"
# two files: models of the same training rows have the same inputs, and git stores those once
GOLDEN_FILE, GOLDEN_PREDICTIONS_FILE = "golden.parquet", "golden-predictions.parquet"
MAX_GOLDEN_ROWS = 500
MODEL_FILE_LIMIT = 4 << 30  # bytes: the largest model file, compressed and decompressed
