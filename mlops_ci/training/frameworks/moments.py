"""Numbers from dates and timestamps, for an estimator without its own preprocessing.

Each step is a transformer of scikit-learn with a function of NumPy, so that the model holds the whole calculation and loads
without this package. A moment is given as seconds since 1970 (UTC). The numbers are: the days since 1970, and the places
within the year (0 to 12), the week (0 to 7, from Monday) and, for a timestamp, the day (0 to 24). The year has its mean
length, so its place is right to within a day.
"""

from __future__ import annotations

import math
from typing import Any

_DAY = 86_400.0  # seconds, as all periods here
_WEEK, _YEAR = 7 * _DAY, 365.2425 * _DAY
_FIRST_MONDAY = 4 * _DAY  # 1970-01-05
_LONGEST = 10_000 * _YEAR  # the greatest distance from 1970
_NO_MOMENT = float(-(2**63))  # NumPy's value for a missing moment


def moment_steps(*, has_time: bool, cyclic: bool) -> Any:
    """Return a Pipeline from columns of dates, or of timestamps (`has_time`), to numbers.

    With `cyclic`, for estimators that add up numbers, a place is the sine and cosine of its angle, so that the end of a
    period is close to its beginning, and all numbers are standard scores. A missing moment becomes the median.
    """
    import numpy as np
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import FeatureUnion, Pipeline
    from sklearn.preprocessing import StandardScaler

    periods = {"year": (_YEAR, 0.0, 12.0), "week": (_WEEK, _FIRST_MONDAY, 7.0)}
    if has_time:
        periods["day"] = (_DAY, 0.0, 24.0)
    days = _LONGEST / _DAY
    parts: list[tuple[str, Any]] = [("elapsed", _interpolation([-_LONGEST, _LONGEST], [-days, days]))]
    for name, (length, start, units) in periods.items():
        if cyclic:
            waves = FeatureUnion([("sine", _function(np.sin)), ("cosine", _function(np.cos))])
            parts.append((name, Pipeline([("angle", _place(length, start, 2 * math.pi)), ("waves", waves)])))
        else:
            parts.append((name, _place(length, start, units)))
    steps = [
        ("moments", _function(np.array, dtype="datetime64[s]")),
        ("seconds", _function(np.array, dtype="float64")),
        ("impute", SimpleImputer(missing_values=_NO_MOMENT, strategy="median", keep_empty_features=True)),
        ("parts", FeatureUnion(parts)),
    ]
    return Pipeline([*steps, ("scale", StandardScaler())] if cyclic else steps)


def _place(length: float, start: float, end: float) -> Any:
    """Return the place within a period, from 0 to `end`; the period that begins at `start` is one of them."""
    # the last millisecond belongs to the next beginning
    return _interpolation([start, start + length - 0.001], [0.0, end], period=length)


def _interpolation(moments: list[float], values: list[float], **options: Any) -> Any:
    import numpy as np

    return _function(np.interp, xp=moments, fp=values, **options)


def _function(function: Any, **arguments: Any) -> Any:
    from sklearn.preprocessing import FunctionTransformer

    return FunctionTransformer(function, kw_args=arguments or None)
