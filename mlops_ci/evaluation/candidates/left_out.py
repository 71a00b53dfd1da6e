"""Files that a candidate needs, and that the work tree leaves out: it is not judged by a part of its data or code."""

from __future__ import annotations

from mlops_ci.data.sources.files import matches_source_path
from mlops_ci.data.sources.table import open_source
from mlops_ci.repository.context import Project
from mlops_ci.repository.sparse import left_out_below, left_out_problem
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.spec_types import DatasetSpec, ModelSpec, SourceSpec
from mlops_ci.training.source_code import code_files


def require_data_files(project: Project, dataset: LocatedSpec[DatasetSpec]) -> None:
    """Raise EnvironmentProblem `files-left-out` if the work tree leaves out a file of a dataset: one of several is not missed."""
    context, spec = project.context, dataset.spec
    left_out = left_out_below(context.repo, context.root) if context.repo is not None else {}
    if not left_out:
        return
    holdout = spec.split.source.path if spec.split.source is not None else None
    patterns = [path for path in (holdout, spec.source.path if isinstance(spec.source, SourceSpec) else None) if path]
    plugin = None if isinstance(spec.source, SourceSpec) else open_source(spec.source)
    missing = sorted(
        path
        for path in left_out
        if any(matches_source_path(pattern, path) for pattern in patterns)
        or (plugin is not None and plugin.touches(path))
    )
    if missing:
        raise left_out_problem(missing, f"and dataset '{dataset.name}' consists of these files")


def require_code_files(project: Project, model: LocatedSpec[ModelSpec]) -> None:
    """Raise EnvironmentProblem `files-left-out` if the work tree leaves out a file of the code that trains or measures a model."""
    context = project.context
    if context.spec_root == context.root:
        return
    entrypoints = (model.spec.train.entrypoint, *(one.entrypoint for one in model.spec.evaluate.custom.values()))
    needed = {file.path for entrypoint in entrypoints for file in code_files(context.spec_root, entrypoint)}
    missing = sorted(path for path in needed if not (context.root / path).is_file())
    if missing:
        raise left_out_problem(missing, f"and model '{model.name}' consists of this code")
