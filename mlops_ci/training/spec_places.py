"""The places in a Model spec that findings about a training are about."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_ci.core.diagnostics import Location
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.spec_types import ModelSpec

FIT_FIELDS = ("weights", "fit", "columns")  # of the train block: they say how the model is fitted


def spec_field(id: str) -> str | None:
    """Return the field of the train block that a finding of this id is about, such as `weights` for `train-weights-invalid`."""
    start, _, rest = id.partition("-")
    name = rest.partition("-")[0]
    return name if start == "train" and name in FIT_FIELDS else None


def field_places(model: LocatedSpec[ModelSpec]) -> Mapping[str, Location]:
    """Return the places of those fields of a spec's train block that say how the model is fitted."""
    train = model.spec.train
    return {name: model.locate("spec", "train", name) for name in FIT_FIELDS if getattr(train, name) is not None}
