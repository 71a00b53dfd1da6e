"""Parses the conditions over columns that define slices: a small part of Python's expressions, which is never executed.

Examples: `hour >= 22 or hour < 5`, `carrier in ('AA', 'B6') and distance > 1000`, `not missing(dep_delay)`,
`60 <= age < 70`.
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
MAX_CONDITION_DEPTH = 30  # nested levels of and, or, not
CONDITION_HELP = (
    "a condition compares columns with values or columns (== != < <= > >= in, not in), and may use and, or, not, "
    "missing(column) and column('any name')"
)


def parse_condition(text: str) -> Condition:
    """Return the parsed condition; raises ConditionError with a message that says what a condition may contain.

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
    ast.Call: "a function call other than missing(column) and column('any name')",
    ast.Dict: "a dictionary",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.IfExp: "if ... else",
    ast.JoinedStr: "an f-string",
    ast.Lambda: "lambda",
    ast.List: "a list that does not follow `in`",
    ast.ListComp: "a comprehension",
    ast.NamedExpr: ":=",
    ast.Set: "a set in braces",
    ast.SetComp: "a comprehension",
    ast.Starred: "a star",
    ast.Subscript: "a subscript",
    ast.Tuple: "a list that does not follow `in`",
    ast.UnaryOp: "a sign before something that is not a number",
}
# one quoted text: Python joins adjacent texts, and in a condition this is a forgotten comma
_QUOTED_TEXT = re.compile(r"""[rRuU]?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""", re.DOTALL)
_OTHER_WORDS = {  # words of other languages, which Python would read as column names
    "true": "True",
    "false": "False",
    "null": "missing(column)",
    "none": "missing(column)",
    "nan": "missing(column)",
}
_OTHER_SIGNS = (  # operators of other languages, which are not valid Python
    (re.compile(r"&&|\|\|"), "write `and` and `or`"),
    (re.compile(r"<>"), "write `!=`"),
    (re.compile(r"\b(?:AND|OR|NOT|IN)\b"), "write `and`, `or`, `not` and `in` in lower case"),
    (re.compile(r"\bIS\b"), "write `missing(column)`"),
    (re.compile(r"(?<![=!<>])=(?![=<>])"), "write `==` to test for equality"),
    (re.compile(r"!(?!=)"), "write `not`"),
    (re.compile(r"\n"), "write it on one line, or in parentheses"),
)
_PYTHON_KEYWORDS = frozenset(keyword.kwlist) - {"and", "or", "not", "in", "is", "if", "else", "True", "False", "None"}


class _ConditionParser:
    """Parses the text of one condition into a tree."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.start = len(text) - len(text.lstrip())
        self.lines = [line.encode("utf-8", "surrogatepass") for line in text.strip().split("\n")]

    def parse(self) -> ConditionTree:
        if len(self.text) > MAX_CONDITION_LENGTH:
            raise ConditionError(
                f"a condition can have at most {MAX_CONDITION_LENGTH:,} characters", MAX_CONDITION_LENGTH
            )
        if not self.text.strip():
            raise ConditionError(f"the condition is empty: {CONDITION_HELP}", 0)
        if odd := re.search(r"[^\n\t -\U0010ffff]|[\x7f-\x9f\ud800-\udfff]", self.text):
            raise ConditionError(f"the character {quote(odd.group())} is not allowed in a condition", odd.start())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about unknown escapes, which Python keeps as they are
            try:
                return self.parse_tree(ast.parse(self.text.strip(), mode="eval").body, 0)
            except SyntaxError as error:
                raise self.python_syntax_error(error) from None
            except (RecursionError, MemoryError):
                raise _too_deep_error(self.start) from None

    def parse_tree(self, node: ast.expr, depth: int) -> ConditionTree:
        """Return the tree of an expression that is true or false."""
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
                comparisons = tuple(self.parse_comparison(*one) for one in sides)
                return comparisons[0] if len(comparisons) == 1 else And(comparisons)
            case ast.Call(func=ast.Name(id="missing")):
                return self.parse_missing(node)
            case ast.Name() | ast.Constant() | ast.Tuple() | ast.List() | ast.Call(func=ast.Name(id="column")):
                shown = quote(self.source_text(node))
                raise self.error_at(node, f"{shown} alone is not a condition: compare a column, as in `hour >= 22`")
        raise self.not_allowed_error(node)

    def parse_comparison(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> ConditionTree:
        if isinstance(operator, ast.Is | ast.IsNot):
            raise self.error_at(left, "`is` does not compare values: write missing(column) or ==")
        if isinstance(operator, ast.In | ast.NotIn):
            column = self.parse_operand(left)
            if not isinstance(column, ColumnReference):
                raise self.error_at(left, "the left side of `in` must be a column")
            membership = In(column, self.parse_values(right))
            return Not(membership) if isinstance(operator, ast.NotIn) else membership
        one, other = self.parse_operand(left), self.parse_operand(right)
        if isinstance(one, LiteralValue) and isinstance(other, LiteralValue):
            raise self.error_at(
                left,
                f"{quote(self.source_text(left))} and {quote(self.source_text(right))} are both values: compare a column",
            )
        return Compare(one, _OPERATORS[type(operator)], other)

    def parse_values(self, node: ast.expr) -> tuple[LiteralValue, ...]:
        """Return the values on the right side of `in`."""
        if not isinstance(node, ast.Tuple | ast.List) or not node.elts:
            raise self.error_at(node, "the right side of `in` must be a list of values, such as ('a', 'b')")
        operands = [self.parse_operand(part) for part in node.elts]
        for part, value in zip(node.elts, operands, strict=True):
            if isinstance(value, ColumnReference):
                raise self.error_at(
                    part, f"the list on the right side of `in` must contain values, and {quote(value.name)} is a column"
                )
        return tuple(value for value in operands if isinstance(value, LiteralValue))

    def parse_operand(self, node: ast.expr) -> Operand:
        match node:
            case ast.Name(id=name):
                if meant := _OTHER_WORDS.get(name.lower()):
                    raise self.error_at(node, f"write {meant}; for a column of that name, write column('{name}')")
                return ColumnReference(
                    self.source_text(node), self.offset(node)
                )  # the name as written: Python normalises `id` to Unicode's NFKC
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
                raise self.error_at(
                    node, "a condition cannot be compared with another value: combine conditions with and, or, not"
                )
        raise self.not_allowed_error(node)

    def parse_literal(self, node: ast.expr, value: object) -> LiteralValue:
        if value is None:
            raise self.error_at(node, "a value is never equal to None: write missing(column)")
        if not isinstance(value, str | int | float):
            raise self.error_at(node, f"{quote(self.source_text(node))} is not a text, a number, True or False")
        if isinstance(value, str) and not _QUOTED_TEXT.fullmatch(self.source_text(node)):
            raise self.error_at(node, "two texts need a comma between them; one text needs one pair of quotes")
        if isinstance(value, float) and math.isinf(value):
            raise self.error_at(
                node, f"{quote(self.source_text(node))} is larger than any number that a column can contain"
            )
        return LiteralValue(value, self.offset(node))

    def parse_missing(self, node: ast.Call) -> Missing:
        column = self.parse_operand(node.args[0]) if len(node.args) == 1 and not node.keywords else None
        if not isinstance(column, ColumnReference):
            raise self.error_at(node, "missing() takes one column, as in missing(age) or missing(column('any name'))")
        return Missing(column)

    def not_allowed_error(self, node: ast.expr) -> ConditionError:
        shown = self.source_text(node)
        what = f"{_EXPRESSION_NAMES.get(type(node), 'this')} is not allowed in a condition"
        match node:
            case ast.BinOp(op=ast.BitAnd() | ast.BitOr()) | ast.UnaryOp(op=ast.Invert()):
                what = "& | ~ are not allowed in a condition: write and, or, not"
            case ast.Attribute() | ast.BinOp(op=ast.Sub()) if re.fullmatch(r"[\w .-]+", shown):
                what += f" (if this is the name of a column, write column('{_shorten(shown)}'))"
        return self.error_at(node, f"{what}; {CONDITION_HELP}")

    def python_syntax_error(self, error: SyntaxError) -> ConditionError:
        line = min(max(error.lineno or 1, 1), len(self.lines))
        column = error.offset or len(self.lines[line - 1].decode()) + 1  # 0 means the end of the line
        offset = min(self.offset_at(line, 0) + column - 1, len(self.text))
        hints = [hint for sign, hint in _OTHER_SIGNS if sign.search(self.text.strip())]
        words = [word for word in re.findall(r"\w+", self.text) if word in _PYTHON_KEYWORDS]
        hints += [f"for a column named {word}, write column('{word}')" for word in words]
        reason = str(error.msg).split(". ")[0]
        return ConditionError(f"syntax error ({reason}): {hints[0] if hints else CONDITION_HELP}", offset)

    def error_at(self, node: ast.expr, message: str) -> ConditionError:
        return ConditionError(message, self.offset(node))

    def offset(self, node: ast.expr) -> int:
        return self.offset_at(node.lineno, node.col_offset)

    def source_text(self, node: ast.expr) -> str:
        end = self.offset_at(node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
        return self.text[self.offset(node) : end]

    def offset_at(self, line: int, column: int) -> int:
        """Return the offset in the text of a line, counted from 1, and a column in UTF-8 bytes, counted from 0."""
        before = sum(len(one.decode()) + 1 for one in self.lines[: line - 1])
        return self.start + before + len(self.lines[line - 1][:column].decode())


def _too_deep_error(offset: int) -> ConditionError:
    message = f"and, or, not and parentheses can be nested at most {MAX_CONDITION_DEPTH} levels deep"
    return ConditionError(message, offset)


def _shorten(text: str) -> str:
    return quote(text)[1:-1]
