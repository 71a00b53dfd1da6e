"""Small faults put into a module, one at a time: an operator, a condition or a constant becomes another."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}


@dataclass(frozen=True)
class Mutant:
    """A module with one fault, which stands in `line`; `change` says what became what."""

    module: str
    line: int
    change: str
    source: str

    @property
    def name(self) -> str:
        return f"{self.module}:{self.line}: {self.change}"


def mutants_of(module: str, source: str) -> Iterator[Mutant]:
    """Yield every mutant of a module's source, in the order of its lines."""
    tree = ast.parse(source)
    for node in list(_code(tree)):
        for change in _faults(node):  # which stays in the tree until the next is asked for
            yield Mutant(module, getattr(node, "lineno", 0), change, ast.unparse(tree))


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs: neither annotations, nor what only a type checker sees."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "type_comment"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _code(child)


def _faults(node: ast.AST) -> Iterator[str]:
    """Change a node in place, say how, and change it back."""
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in _COMPARISONS:
            other = _COMPARISONS[type(operator)]()
            node.ops = [other]
            yield f"{type(operator).__name__} -> {type(other).__name__}"
            node.ops = [operator]
        case ast.BoolOp(op=operation, values=values):
            node.op = ast.Or() if isinstance(operation, ast.And) else ast.And()
            yield f"{type(operation).__name__} -> {type(node.op).__name__}"
            node.op = operation
            node.values = values[:-1]
            yield "without the last condition"
            node.values = values
        case ast.BinOp(op=arithmetic) if type(arithmetic) in _OPERATORS:
            node.op = _OPERATORS[type(arithmetic)]()
            yield f"{type(arithmetic).__name__} -> {type(node.op).__name__}"
            node.op = arithmetic
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            node.test = ast.UnaryOp(ast.Not(), test)
            yield "condition negated"
            node.test = test
        case ast.Constant(value=bool(value)):
            node.value = not value
            yield f"{value} -> {not value}"
            node.value = value
        case ast.Constant(value=int(value) | float(value)):
            node.value = value + 1
            yield f"{value} -> {value + 1}"
            node.value = value
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            node.value = ast.Constant(None)
            yield "returns None"
            node.value = value
