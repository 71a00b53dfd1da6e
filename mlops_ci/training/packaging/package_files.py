"""The names of a package's files other than the model file. They are equal in all formats; this toolkit writes them."""

from __future__ import annotations

SIGNATURE_FILE, GOLDEN_FILE, REQUIREMENTS_FILE = "signature.json", "golden.parquet", "requirements.txt"
MAX_GOLDEN_ROWS = 500
MODEL_FILE_LIMIT = 4 << 30  # bytes: the largest model file, compressed and decompressed
