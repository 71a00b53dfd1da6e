"""The files of a package beside the model file: the same in every format, and written by this toolkit alone."""

from __future__ import annotations

SIGNATURE_FILE, GOLDEN_FILE, REQUIREMENTS_FILE = "signature.json", "golden.parquet", "requirements.txt"
MAX_GOLDEN_ROWS = 500
MODEL_FILE_LIMIT = 4 << 30  # bytes that a model file may have, and may unfold to
