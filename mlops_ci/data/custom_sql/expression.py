"""Judges an SQL expression before it runs: it reads this dataset's rows alone, and the same rows always give the same answer.

DuckDB parses the expression, and DuckDB's catalog says what each function is. What this module does not know is refused.
"""

# ruff: noqa: S608  SQL contains only quoted names and one word of the expression, and the connection can only read the data
from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mlops_ci.data.column_types import quote_identifier

# the kinds of expressions and of tables that a parsed query may consist of
_EXPRESSIONS = frozenset(
    {
        *("COLUMN_REF", "CONSTANT", "COMPARISON", "CONJUNCTION", "OPERATOR", "BETWEEN", "CASE", "CAST", "COLLATE"),
        *("FUNCTION", "WINDOW", "LAMBDA", "LAMBDA_REF", "SUBQUERY", "STAR", "TYPE", "POSITIONAL_REFERENCE", "DEFAULT"),
    }
)
_TABLES = frozenset({"BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY", "EMPTY_FROM"})
_CLAUSES = frozenset(
    {
        *("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"),
        *("ORDER_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "DISTINCT_MODIFIER"),
        *("ASCENDING", "DESCENDING", "ORDER_DEFAULT"),
    }
)
# functions that make rows from their arguments; every other table function reads files, settings or the catalog
_ROW_MAKERS = frozenset({"unnest", "range", "generate_series"})
_ROW_FUNCTIONS = frozenset({"scalar", "aggregate", "window", "macro"})
# the catalog calls these consistent, but each takes something from outside its arguments: the name, and how many arguments
_UNSTEADY = frozenset({("age", 1), ("reservoir_quantile", None), ("version", 0)})
# these take a query as a text, which nothing here judges
_QUERY_READERS = frozenset({"json_serialize_plan", "json_serialize_sql", "json_deserialize_sql"})
_ZONED_TYPES = ("WITH TIME ZONE", "TIMESTAMPTZ")


@dataclass(frozen=True)
class _Overload:
    """One row of DuckDB's catalog: a form of a function, and what it promises."""

    kind: str
    parameters: int
    has_more: bool
    is_steady: bool
    macro: str | None

    def takes(self, arguments: int) -> bool:
        return arguments == self.parameters or (self.has_more and arguments >= self.parameters)


class ExpressionJudge:
    """Judges expressions over the relation `data` with these columns; `connection` is used to parse alone."""

    def __init__(self, connection: Any, columns: Mapping[str, object]) -> None:
        self._connection = connection
        self._columns = frozenset(name.casefold() for name in columns)

    def find_refusal(self, sql: str) -> str | None:
        """Return why the expression must not run, or None. One that may run can still be wrong: DuckDB says so then."""
        tree = self._parse(sql)
        if isinstance(tree, str):
            return tree
        # a query without such a list joins several, as UNION does
        selected = tree["statements"][0]["node"].get("select_list", ())
        if len(tree["statements"]) != 1 or len(selected) != 1:
            return "it is more than one expression"
        named = frozenset(_names_of_subqueries(selected))
        if hidden := next(filter(self._is_relation, sorted(named)), None):
            return f"it calls a query '{hidden}', as a table is called that exists already"
        return self._find_in_tree(selected, named | {"data"}, frozenset())

    @cached_property
    def _catalog(self) -> Mapping[str, list[_Overload]]:
        rows = self._connection.execute(
            "SELECT lower(function_name), function_type, len(parameters), varargs IS NOT NULL, stability,"
            " concat_ws(' ', array_to_string(parameter_types, ' '), return_type), macro_definition FROM duckdb_functions()"
        ).fetchall()
        found: dict[str, list[_Overload]] = {}
        for name, kind, parameters, has_more, stability, types, macro in rows:
            # within a query, functions of zoned times differ by the time zone alone, which is UTC on every connection
            in_zone = (
                stability == "CONSISTENT_WITHIN_QUERY" and parameters and any(one in types for one in _ZONED_TYPES)
            )
            is_steady = stability in (None, "CONSISTENT") or bool(in_zone)
            found.setdefault(name, []).append(_Overload(kind, parameters, has_more, is_steady, macro))
        return found

    def _parse(self, sql: str) -> Any:
        """Return the syntax tree, as DuckDB writes it, or a text that says why there is none."""
        answer = self._connection.execute("SELECT json_serialize_sql(?)", [f"SELECT (\n{sql}\n)"]).fetchall()[0][0]
        try:
            tree = json.loads(answer)
        except RecursionError:
            return "it is nested too deeply"
        return str(tree["error_message"]).splitlines()[0] if tree["error"] else tree

    def _is_relation(self, name: str) -> bool:
        return self._is_valid(f"SELECT 1 FROM {quote_identifier(name)} LIMIT 0")

    def _is_valid(self, query: str) -> bool:
        import duckdb

        try:
            self._connection.execute(query).fetchall()
        except duckdb.Error:
            return False
        return True

    def _find_in_tree(self, tree: Any, tables: frozenset[str], macros: frozenset[str]) -> str | None:
        for node in _nodes(tree):
            if (why := self._find_in_node(node, tables, macros)) is not None:
                return why
        return None

    def _find_in_node(self, node: Mapping[str, Any], tables: frozenset[str], macros: frozenset[str]) -> str | None:
        if node.get("sample") is not None:
            return "it samples rows, so that its answer would differ from run to run"
        kind, of = node.get("class"), node.get("type")
        if kind is None:
            return self._find_in_table(node, tables) if of is not None and of not in _CLAUSES else None
        if kind not in _EXPRESSIONS:
            return f"it contains {str(kind).lower().replace('_', ' ')}, which a check cannot use"
        if kind == "COLUMN_REF" and len(node["column_names"]) == 1:
            return self._find_in_word(str(node["column_names"][0]))
        if kind == "WINDOW" or (kind == "FUNCTION" and of == "FUNCTION"):
            return self._find_in_call(node, macros)
        return None

    def _find_in_table(self, node: Mapping[str, Any], tables: frozenset[str]) -> str | None:
        of = node.get("type")
        if of not in _TABLES:
            return f"it contains {str(of).lower().replace('_', ' ')}, which a check cannot use"
        if of == "BASE_TABLE":
            name = str(node.get("table_name", ""))
            if node.get("schema_name") or node.get("catalog_name") or name.casefold() not in tables:
                return f"it reads '{name}', and a check can read only the rows of this dataset, which it calls `data`"
        if of == "TABLE_FUNCTION":
            name = str(node["function"].get("function_name", ""))
            if name.casefold() not in _ROW_MAKERS:
                return f"it reads the table function {name}, and a check can read only the rows of this dataset"
        return None

    def _find_in_word(self, word: str) -> str | None:
        """Refuse a word that is no column and that DuckDB computes by itself, such as current_date."""
        if word.casefold() in self._columns:
            return None
        # else a column of a subquery, the parameter of a lambda, or nothing
        return _unsteady(word) if self._is_valid(f"SELECT {_write_word(word)} LIMIT 0") else None

    def _find_in_call(self, node: Mapping[str, Any], macros: frozenset[str]) -> str | None:
        name = str(node["function_name"]).casefold()
        if name in _QUERY_READERS:
            return f"it calls {name}, which reads a query from a text"
        given = len(node.get("arguments") or node.get("children") or ())
        # of a call such as x.age() the text before the dot is an argument or a schema
        counts = {given, given + 1} if node.get("schema") else {given}
        if any((name, count) in _UNSTEADY for count in (*counts, None)):
            return _unsteady(name)
        # the body of a macro that calls its own name means the function of this name
        overloads = [one for one in self._catalog.get(name, []) if one.macro is None or name not in macros]
        if not overloads or name in _ROW_MAKERS:
            return None  # DuckDB says that there is no such function
        usable = [one for one in overloads if one.kind in _ROW_FUNCTIONS]
        if not usable:
            return f"it calls {name}, and a check can read only the rows of this dataset"
        fitting = [one for one in usable if any(map(one.takes, counts))] or usable
        if not any(one.is_steady for one in fitting):
            return _unsteady(name)
        for macro in (one.macro for one in fitting if one.macro is not None):
            tree = self._parse(macro)
            if isinstance(tree, str):
                return f"it calls {name}, which cannot be judged"
            named = frozenset(_names_of_subqueries(tree))
            if (why := self._find_in_tree(tree, named, macros | {name})) is not None:
                return f"it calls {name}: {why}"
        return None


def _unsteady(name: str) -> str:
    return f"it uses {name}, whose value can differ from run to run, so that the same rows could pass today and fail tomorrow"


def _write_word(word: str) -> str:
    return word if word.isidentifier() else quote_identifier(word)


def _nodes(tree: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every object of a JSON tree, however deep it is."""
    pending = [tree]
    while pending:
        value = pending.pop()
        if isinstance(value, Mapping):
            yield value
            pending += value.values()
        elif isinstance(value, list):
            pending += value


def _names_of_subqueries(tree: Any) -> Iterator[str]:
    """Yield the names that WITH gives to queries."""
    for node in _nodes(tree):
        if isinstance(named := node.get("cte_map"), Mapping):
            yield from (str(entry["key"]).casefold() for entry in named["map"])
