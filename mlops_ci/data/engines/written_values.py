"""SQL that turns the fields of a text file, written as its source says, into the text that the column types are tested on."""

from __future__ import annotations

from dataclasses import dataclass

from mlops_ci.core.time_formats import literal_pattern, time_format_pattern
from mlops_ci.data.column_types import OTHER_TYPE, TYPE_TEST_SQL, column_sql, quote_literal
from mlops_ci.spec.source_types import SourceSpec

_NO_NUMBER = "'?'"  # text of no type but text
_NAN_OR_INFINITY_PATTERN = "(?i:nan|[+-]?inf(inity)?)"
_TYPES_OF_JSON = {
    frozenset({"string"}): ("date", "timestamp"),
    frozenset({"number"}): ("integer", "number"),
    frozenset({"boolean"}): ("boolean",),
}


def field_sql(column: str, source: SourceSpec) -> str:
    """Return SQL for a field of a file: its text, or null if it is missing."""
    text = column
    if source.trim:
        text = f"CASE WHEN trim({column}) <> '' OR {column} = '' THEN trim({column}) END"
    if source.nulls:
        words = ", ".join(map(quote_literal, source.null_words))
        is_word = f"{text} IN ({words})"
        numbers = [str(word) for word in source.nulls if isinstance(word, int)]
        if numbers:  # -999.0 is the number -999
            pattern = f"({'|'.join(numbers)}){literal_pattern(source.decimal)}0*"
            is_word += f" OR regexp_full_match({text}, {quote_literal(pattern)})"
        text = f"CASE WHEN NOT ({is_word}) THEN {text} END"
    return text


@dataclass(frozen=True)
class WrittenColumn:
    """A column of text: how its source writes numbers, its time format, and what its values are in JSON."""

    name: str
    source: SourceSpec
    time_format: str | None = None
    json_kinds: frozenset[str] | None = None

    def plain_text_sql(self, type: str) -> str:
        """Return SQL for a field's text as values of the type are written in a plain CSV file: 1234.5, 2026-01-31.

        It is another text if the field is not such a value.
        """
        column = column_sql(self.name)
        if type in ("integer", "number"):
            return _plain_number_sql(column, self.source)
        if type in ("date", "timestamp") and self.time_format is not None:
            return f"CASE WHEN {self._is_time_sql()} THEN {self._time_sql(type)} ELSE nullif({column}, '') END"
        return column

    def mismatch_sql(self, type: str) -> str:
        """Return SQL that is true for a field, neither empty nor missing, that is no value of the type."""
        column = column_sql(self.name)
        if type in ("date", "timestamp") and self.time_format is not None:
            return f"{column} <> '' AND NOT {self._is_time_sql()}"
        return f"{column} <> '' AND NOT {TYPE_TEST_SQL[type].replace('{v}', self.plain_text_sql(type))}"

    @property
    def possible_types(self) -> tuple[str, ...]:
        """The types to try, in this order; only text is left without one."""
        if self.json_kinds is None:
            return tuple(TYPE_TEST_SQL)
        kinds = self.json_kinds
        if self.source.nulls and len(kinds) > 1:  # the strings may be words for a missing value
            kinds = kinds - {"string"}
        return _TYPES_OF_JSON.get(kinds, ())

    @property
    def text_type(self) -> str:
        """The type without another one that fits."""
        return OTHER_TYPE if "nested" in (self.json_kinds or ()) else "string"

    def _is_time_sql(self) -> str:
        column, format = column_sql(self.name), self.time_format or ""
        pattern = quote_literal(time_format_pattern(format))
        moment = f"try_strptime({column}, {quote_literal(format)})"
        return f"(regexp_full_match({column}, {pattern}) AND {moment} IS NOT NULL)"

    def _time_sql(self, type: str) -> str:
        moment = f"strptime({column_sql(self.name)}, {quote_literal(self.time_format or '')})"
        return f"CAST({moment} AS {'DATE' if type == 'date' else 'VARCHAR'})::VARCHAR"


def _plain_number_sql(column: str, source: SourceSpec) -> str:
    if source.decimal == "." and source.thousands is None and not source.units:
        return column
    text = column
    if source.units:
        units = "|".join(map(literal_pattern, sorted(source.units, key=len, reverse=True)))
        before, after = quote_literal(f"^(-?)(?:{units}) *"), quote_literal(f" *(?:{units})$")
        text = f"regexp_replace(regexp_replace({column}, {before}, '\\1'), {after}, '')"
    point, group = literal_pattern(source.decimal), source.thousands and literal_pattern(source.thousands)
    whole = f"(?:[0-9]{{1,3}}(?:{group}[0-9]{{3}})+|[0-9]*)" if group else "[0-9]*"
    pattern = f"-?{whole}(?:{point}[0-9]*)?(?:[eE][+-]?[0-9]+)?|{_NAN_OR_INFINITY_PATTERN}"
    plain = text if source.thousands is None else f"replace({text}, {quote_literal(source.thousands)}, '')"
    plain = plain if source.decimal == "." else f"replace({plain}, {quote_literal(source.decimal)}, '.')"
    fits = f"regexp_full_match({text}, {quote_literal(pattern)})"
    return f"CASE WHEN {fits} THEN {plain} WHEN {column} <> '' THEN {_NO_NUMBER} END"
