"""Which models only a job without rights may load, because reading the file could run code or crash the process."""

from __future__ import annotations

from mlops_ci.spec.spec_types import TrainSpec

_NATIVE_READERS = frozenset({"lightgbm", "xgboost"})  # libraries whose native code parses the bytes of a model file


def is_read_apart(train: TrainSpec) -> bool:
    """Return whether a model has own code, types that its spec trusts, or a library whose native code parses its file."""
    return bool(train.entrypoint or train.trusted or (train.estimator or "").partition(".")[0] in _NATIVE_READERS)
