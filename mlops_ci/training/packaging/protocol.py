"""What a model format has to offer: a file that a worker writes, and that another reads without trusting it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_ci.core.records.training_run import ModelFormat


@dataclass(frozen=True)
class Packager:
    """A model format. All but `loading_code` runs in worker processes: files come from a process that ran a stranger's code.

    `name` and `entry_file`, the model file's name in a package, stand in each run's record. `reviewed_types` are types that
    no user has to list under `trusted`.

    `write(model, path)` writes the model file; whatever it raises is about the model.
    `find_untrusted_types(path)` returns, sorted, the types that loading would make and that need trust. It imports and makes
    nothing of the file, and raises Findings for a file that is none.
    `load(path, trusted)` returns a model that answers as scikit-learn's do (predict; predict_proba and classes_ of a
    classifier). It makes no type beside the trusted ones, and raises Findings for a file that needs others.
    `digest(model)` returns a SHA-256 in hex, the same for the same model in every process; raises OpaqueObjectError.
    `loading_code(path, trusted)` returns the module to import and the Python expression that loads the model, for people.
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
        """The format as a run's record names it."""
        return ModelFormat(self.name, self.entry_file)
