"""The protocol of model formats: one worker writes a model file, and another reads it without trusting it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_ci.core.records.training_run import ModelFormat


@dataclass(frozen=True)
class Packager:
    """A model format. All functions except `loading_code` run in worker processes: model files come from untrusted code.

    `name` and `entry_file` (the name of the model file in a package) are in each run's record. `reviewed_types` are
    types that users do not have to list under `trusted`.

    `write(model, path)` writes the model file; any error that it raises is about the model.
    `find_untrusted_types(path)` returns the sorted types that loading would create and that need trust. It imports and
    creates nothing from the file, and raises Findings when the file is not a model file.
    `load(path, trusted)` returns a model with scikit-learn's interface (predict; predict_proba and classes_ of a
    classifier). It creates only trusted types, and raises Findings when the file needs others.
    `digest(model)` returns a SHA-256 in hex that is equal for equal models in every process; raises OpaqueObjectError.
    `loading_code(path, trusted)` returns the module to import and the Python expression that loads the model, as help
    for users.
    """

    name: str
    entry_file: str
    reviewed_types: tuple[str, ...]
    write: Callable[[Any, Path], None]
    find_untrusted_types: Callable[[Path], tuple[str, ...]]
    load: Callable[[Path, Sequence[str]], Any]
    digest: Callable[[Any], str]
    loading_code: Callable[[str, Sequence[str]], tuple[str, str]]

    @property
    def model_format(self) -> ModelFormat:
        """The format as it is written in a run's record."""
        return ModelFormat(self.name, self.entry_file)
