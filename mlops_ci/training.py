"""What train and reproduce share: a candidate's model, made from the training side alone."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mlops_ci.candidate import Candidate
from mlops_ci.data.split import materialise
from mlops_ci.learn.fit import Fitted, fit
from mlops_ci.learn.jobs import HERE, Interpreter
from mlops_ci.project import Project


def fitted(project: Project, candidate: Candidate, interpreter: Interpreter = HERE) -> Fitted:
    """Fit a candidate in a process that is handed the training rows only, in a new folder of the project's scratch.

    Raises as `learn.fit.fit` does.
    """
    context, spec = project.context, candidate.model.spec
    scratch = Path(tempfile.mkdtemp(dir=context.scratch))
    sides = materialise(context.root, candidate.dataset, candidate.snapshot.files, spec.features, spec.target, scratch)
    sides.holdout.unlink()  # the trainer is handed the training side only
    return fit(
        spec.train,
        task=spec.task,
        inputs=candidate.inputs,
        output=candidate.output,
        data=sides.train,
        root=context.root,
        scratch=scratch / "fit",
        environment=candidate.environment,
        where=candidate.model.locate("spec", "train", key=True),
        interpreter=interpreter,
    )
