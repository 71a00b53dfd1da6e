"""Dates and timestamps as features: the numbers are those of the calendar, in training and wherever the file is loaded."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_ci.training.frameworks.moments import moment_steps
from mlops_ci.training.packaging.skops import REVIEWED_TYPES, load_model_file, write_skops_file

MOMENTS = st.datetimes(*(pd.Timestamp(year, 1, 1).to_pydatetime() for year in (1700, 2240))).map(
    lambda at: at.replace(microsecond=0)
)
EPOCH = pd.Timestamp(0).to_pydatetime()


def numbers(values: list[Any], *, has_time: bool = True, cyclic: bool = False) -> Any:
    frame = pd.DataFrame({"at": values})
    return moment_steps(has_time=has_time, cyclic=cyclic).fit_transform(frame)


@settings(max_examples=60, deadline=None)
@given(st.lists(MOMENTS, min_size=1, max_size=5))
def test_the_parts_are_those_of_the_calendar(moments: list[dt.datetime]) -> None:
    made = numbers(moments)
    for row, at in zip(made, moments, strict=True):
        day = at.hour + at.minute / 60 + at.second / 3600
        assert row[0] == pytest.approx((at - EPOCH).total_seconds() / 86_400, abs=1e-6)
        assert row[2] == pytest.approx(at.weekday() + day / 24, abs=1e-6)
        assert row[3] == pytest.approx(day, abs=1e-6)
        year = (at - at.replace(month=1, day=1, hour=0, minute=0, second=0)).total_seconds() / 86_400 / 365.2425
        apart = abs(row[1] / 12 - year)
        assert min(apart, 1 - apart) * 365.2425 < 2  # of the mean year


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_unit_and_the_zone_of_a_column_do_not_matter(unit: str) -> None:
    texts: Any = pd.Series(["2024-05-06T07:08:09", "1969-12-31T23:59:59", None], dtype=object)
    moments = pd.to_datetime(texts).astype(f"M8[{unit}]")
    expected = moment_steps(has_time=True, cyclic=False).fit_transform(pd.DataFrame({"at": texts}))
    assert np.array_equal(numbers(list(moments)), expected)
    frame = pd.DataFrame({"at": moments.dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")})
    assert np.array_equal(moment_steps(has_time=True, cyclic=False).fit_transform(frame), expected)


def test_a_date_has_no_time_and_a_missing_one_is_the_median() -> None:
    made = numbers([dt.date(2024, 5, 6), None, dt.date(2024, 5, 8), dt.date(2024, 5, 10)], has_time=False)
    assert made.shape == (4, 3)
    assert made[:, 0].tolist() == [19849.0, 19851.0, 19851.0, 19853.0]
    assert made[:, 2].round(6).tolist() == [0, 2, 2, 4]  # Monday, and the median, Wednesday


def test_the_end_of_a_period_is_close_to_its_beginning_for_estimators_that_add_up() -> None:
    made = numbers(pd.date_range("2024-01-01", "2024-03-01", freq="h").to_list(), cyclic=True)
    assert made.shape[1] == 7  # the days since 1970, and two for each of year, week and day
    assert np.abs(made.mean(axis=0)).max() < 1e-9
    day = made[:, 5:]
    assert np.linalg.norm(day[23] - day[24]) == pytest.approx(np.linalg.norm(day[0] - day[1]), abs=1e-3)


def test_the_model_file_holds_the_whole_calculation(tmp_path: Path) -> None:
    frame = pd.DataFrame({"at": pd.date_range("2024-01-01", periods=50, freq="7h")})
    made = moment_steps(has_time=True, cyclic=True).fit(frame)
    write_skops_file(made, tmp_path / "m.skops")
    assert np.array_equal(load_model_file(tmp_path / "m.skops", REVIEWED_TYPES).transform(frame), made.transform(frame))
