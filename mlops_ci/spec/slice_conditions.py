"""Conditions over columns, which cut rows into slices: a few of Python's expressions, read but never run.

`hour >= 22 or hour < 5`, `carrier in ('AA', 'B6') and distance > 1000`, `not missing(dep_delay)`, `60 <= age < 70`.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
import warnings
from collections.abc import Mapping

from mlops_ci.core.suggestions import quote
from mlops_ci.spec.condition_tree import (
    And,
    ColumnReference,
    Compare,
    ComparisonOperator,
    Condition,
    ConditionError,
    ConditionTree,
    In,
    LiteralValue,
    Missing,
    Not,
    Operand,
    Or,
    column_references,
)

MAX_CONDITION_LENGTH = 1_000  # characters
MAX_CONDITION_DEPTH = 30  # of and, or, not inside each other
CONDITION_HELP = (
    "a condition compares columns with values or columns (== != < <= > >= in, not in), and may use and, or, not, "
    "missing(column) and column('any name')"
)


def parse_condition(text: str) -> Condition:
    """Read a condition; raises ConditionError, whose message says what may stand in one.

    The grammar is a part of Python's (The Python Language Reference, 6. Expressions), with Python's precedence.
    """
    tree = _ConditionParser(text).parse()
    return Condition(text, tuple(dict.fromkeys(column.name for column in column_references(tree))), tree)


_OPERATORS: Mapping[type[ast.cmpop], ComparisonOperator] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_EXPRESSION_NAMES: Mapping[type[ast.expr], str] = {
    ast.Attribute: "a dot",
    ast.Await: "await",
    ast.BinOp: "arithmetic",
    ast.Call: "a call of anything but missing(column) and column('any name')",
    ast.Dict: "a dictionary",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.IfExp: "if ... else",
    ast.JoinedStr: "an f-string",
    ast.Lambda: "lambda",
    ast.List: "a list that is not right of `in`",
    ast.ListComp: "a comprehension",
    ast.NamedExpr: ":=",
    ast.Set: "a set in braces",
    ast.SetComp: "a comprehension",
    ast.Starred: "a star",
    ast.Subscript: "a subscript",
    ast.Tuple: "a list that is not right of `in`",
    ast.UnaryOp: "a sign before anything but a number",
}
# Python joins texts that have no comma between them, which is a mistake here
_QUOTED_TEXT = re.compile(r"""[rRuU]?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""", re.DOTALL)
_OTHER_WORDS = {  # for what other languages say: as names, which would be columns
    "true": "True",
    "false": "False",
    "null": "missing(column)",
    "none": "missing(column)",
    "nan": "missing(column)",
}
_OTHER_SIGNS = (  # and as signs, which are no Python
    (re.compile(r"&&|\|\|"), "write `and` and `or`"),
    (re.compile(r"<>"), "write `!=`"),
    (re.compile(r"\b(?:AND|OR|NOT|IN)\b"), "write `and`, `or`, `not` and `in` in small letters"),
    (re.compile(r"\bIS\b"), "write `missing(column)`"),
    (re.compile(r"(?<![=!<>])=(?![=<>])"), "write `==` for equal"),
    (re.compile(r"!(?!=)"), "write `not`"),
    (re.compile(r"\n"), "write it on one line, or in parentheses"),
)
_PYTHON_KEYWORDS = frozenset(keyword.kwlist) - {"and", "or", "not", "in", "is", "if", "else", "True", "False", "None"}


class _ConditionParser:
    """One text on its way to a tree."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.start = len(text) - len(text.lstrip())
        self.lines = [line.encode("utf-8", "surrogatepass") for line in text.strip().split("\n")]

    def parse(self) -> ConditionTree:
        if len(self.text) > MAX_CONDITION_LENGTH:
            raise ConditionError(f"a condition has at most {MAX_CONDITION_LENGTH:,} characters", MAX_CONDITION_LENGTH)
        if not self.text.strip():
            raise ConditionError(f"the condition is empty: {CONDITION_HELP}", 0)
        if odd := re.search(r"[^\n\t -\U0010ffff]|[\x7f-\x9f\ud800-\udfff]", self.text):
            raise ConditionError(f"a condition has no character {quote(odd.group())}", odd.start())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes, which mean what they say
            try:
                return self.parse_tree(ast.parse(self.text.strip(), mode="eval").body, 0)
            except SyntaxError as error:
                raise self.python_syntax_error(error) from None
            except (RecursionError, MemoryError):
                raise _too_deep_error(self.start) from None

    def parse_tree(self, node: ast.expr, depth: int) -> ConditionTree:
        """Return what a part says that is true or false."""
        if depth > MAX_CONDITION_DEPTH:
            raise _too_deep_error(self.offset(node))
        match node:
            case ast.BoolOp(op=ast.And(), values=parts):
                return And(tuple(self.parse_tree(part, depth + 1) for part in parts))
            case ast.BoolOp(values=parts):
                return Or(tuple(self.parse_tree(part, depth + 1) for part in parts))
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                return Not(self.parse_tree(inner, depth + 1))
            case ast.Compare(left=left, ops=operators, comparators=rights):
                sides = zip((left, *rights), operators, rights, strict=False)
                found = tuple(self.parse_comparison(*one) for one in sides)
                return found[0] if len(found) == 1 else And(found)
            case ast.Call(func=ast.Name(id="missing")):
                return self.parse_missing(node)
            case ast.Name() | ast.Constant() | ast.Tuple() | ast.List() | ast.Call(func=ast.Name(id="column")):
                shown = quote(self.source_text(node))
                raise self.error_at(node, f"{shown} alone is no condition: compare a column, as in `hour >= 22`")
        raise self.not_allowed_error(node)

    def parse_comparison(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> ConditionTree:
        if isinstance(operator, ast.Is | ast.IsNot):
            raise self.error_at(left, "`is` is no comparison of values: write missing(column) or ==")
        if isinstance(operator, ast.In | ast.NotIn):
            column = self.parse_operand(left)
            if not isinstance(column, ColumnReference):
                raise self.error_at(left, "left of `in` stands a column")
            found = In(column, self.parse_values(right))
            return Not(found) if isinstance(operator, ast.NotIn) else found
        one, other = self.parse_operand(left), self.parse_operand(right)
        if isinstance(one, LiteralValue) and isinstance(other, LiteralValue):
            raise self.error_at(
                left,
                f"{quote(self.source_text(left))} and {quote(self.source_text(right))} are both values: compare a column",
            )
        return Compare(one, _OPERATORS[type(operator)], other)

    def parse_values(self, node: ast.expr) -> tuple[LiteralValue, ...]:
        """Return what stands right of `in`."""
        if not isinstance(node, ast.Tuple | ast.List) or not node.elts:
            raise self.error_at(node, "right of `in` stands a list of values, such as ('a', 'b')")
        found = [self.parse_operand(part) for part in node.elts]
        for part, value in zip(node.elts, found, strict=True):
            if isinstance(value, ColumnReference):
                raise self.error_at(part, f"a list right of `in` holds values, and {quote(value.name)} names a column")
        return tuple(value for value in found if isinstance(value, LiteralValue))

    def parse_operand(self, node: ast.expr) -> Operand:
        match node:
            case ast.Name(id=name):
                if meant := _OTHER_WORDS.get(name.lower()):
                    raise self.error_at(node, f"write {meant}; for a column of that name, column('{name}')")
                return ColumnReference(
                    self.source_text(node), self.offset(node)
                )  # as written: `id` is in Unicode's form NFKC
            case ast.Constant():
                return self.parse_literal(node, node.value)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)) if not isinstance(
                value, bool
            ):
                return self.parse_literal(node, -value)
            case ast.Call(func=ast.Name(id="column"), args=[ast.Constant(value=str(name))], keywords=[]):
                return ColumnReference(name, self.offset(node))
            case ast.Call(func=ast.Name(id="column")):
                raise self.error_at(node, "column() takes one name in quotes, as in column('any name')")
            case ast.Call(func=ast.Name(id="missing")) | ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                raise self.error_at(node, "what is true or false cannot be compared: join it by and, or, not")
        raise self.not_allowed_error(node)

    def parse_literal(self, node: ast.expr, value: object) -> LiteralValue:
        if value is None:
            raise self.error_at(node, "nothing equals None: write missing(column)")
        if not isinstance(value, str | int | float):
            raise self.error_at(node, f"{quote(self.source_text(node))} is no text, number, True or False")
        if isinstance(value, str) and not _QUOTED_TEXT.fullmatch(self.source_text(node)):
            raise self.error_at(node, "a text stands in one pair of quotes; between two of them belongs a comma")
        if isinstance(value, float) and math.isinf(value):
            raise self.error_at(node, f"{quote(self.source_text(node))} is larger than any number that a column holds")
        return LiteralValue(value, self.offset(node))

    def parse_missing(self, node: ast.Call) -> Missing:
        column = self.parse_operand(node.args[0]) if len(node.args) == 1 and not node.keywords else None
        if not isinstance(column, ColumnReference):
            raise self.error_at(node, "missing() takes one column, as in missing(age) or missing(column('any name'))")
        return Missing(column)

    def not_allowed_error(self, node: ast.expr) -> ConditionError:
        shown = self.source_text(node)
        what = f"{_EXPRESSION_NAMES.get(type(node), 'this')} cannot stand in a condition"
        match node:
            case ast.BinOp(op=ast.BitAnd() | ast.BitOr()) | ast.UnaryOp(op=ast.Invert()):
                what = "& | ~ cannot stand in a condition: write and, or, not"
            case ast.Attribute() | ast.BinOp(op=ast.Sub()) if re.fullmatch(r"[\w .-]+", shown):
                what += f" (is it a column's name? write column('{_shorten(shown)}'))"
        return self.error_at(node, f"{what}; {CONDITION_HELP}")

    def python_syntax_error(self, error: SyntaxError) -> ConditionError:
        line = min(max(error.lineno or 1, 1), len(self.lines))
        column = error.offset or len(self.lines[line - 1].decode()) + 1  # 0: at the end
        offset = min(self.offset_at(line, 0) + column - 1, len(self.text))
        hints = [hint for sign, hint in _OTHER_SIGNS if sign.search(self.text.strip())]
        words = [word for word in re.findall(r"\w+", self.text) if word in _PYTHON_KEYWORDS]
        hints += [f"for a column that is called {word}, write column('{word}')" for word in words]
        reason = str(error.msg).split(". ")[0]
        return ConditionError(f"this is no condition ({reason}): {hints[0] if hints else CONDITION_HELP}", offset)

    def error_at(self, node: ast.expr, message: str) -> ConditionError:
        return ConditionError(message, self.offset(node))

    def offset(self, node: ast.expr) -> int:
        return self.offset_at(node.lineno, node.col_offset)

    def source_text(self, node: ast.expr) -> str:
        end = self.offset_at(node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
        return self.text[self.offset(node) : end]

    def offset_at(self, line: int, column: int) -> int:
        """Return the offset of a line, from 1, and a column in bytes of UTF-8, from 0."""
        before = sum(len(one.decode()) + 1 for one in self.lines[: line - 1])
        return self.start + before + len(self.lines[line - 1][:column].decode())


def _too_deep_error(offset: int) -> ConditionError:
    message = f"and, or, not and parentheses stand at most {MAX_CONDITION_DEPTH} deep inside each other"
    return ConditionError(message, offset)


def _shorten(text: str) -> str:
    return quote(text)[1:-1]
