"""No value of a column takes more than a share of the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals as nw

from mlops_ci.core.plugins import Plugin
from mlops_ci.data.check_types import CheckAnswer, DataCheck


@dataclass(frozen=True)
class MaxShare:
    """The column, and the share."""

    column: str
    share: float = 0.5

    @property
    def expectation(self) -> str:
        return f"no value of {self.column} in more than {self.share:.0%} of the rows"

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def evaluate(self, rows: Any) -> CheckAnswer:
        counts = rows.group_by(self.column).agg(nw.len().alias("rows")).collect()
        share = counts["rows"].max() / counts["rows"].sum()
        return CheckAnswer(bool(share <= self.share), f"{share:.0%}")


def _make(options: MaxShare) -> DataCheck:
    return options


MAX_SHARE = Plugin(
    "max-share",
    make=_make,
    options=MaxShare,
    schema={
        "required": ["column"],
        "properties": {
            "column": {"type": "string", "minLength": 1, "description": "A column."},
            "share": {"type": "number", "minimum": 0, "maximum": 1, "description": "The largest share, 0 to 1."},
        },
    },
)
