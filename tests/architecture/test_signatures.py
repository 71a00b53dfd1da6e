"""No function of the package takes more than seven parameters, or returns more than a pair: then a value has no name yet."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import mlops_ci

ROOT = Path(mlops_ci.__file__).parent
MOST_PARAMETERS, MOST_RETURNED = 7, 2
SORT_KEY = "a sort key: it is compared, and never taken apart"
# module:function -> why it may; whoever mends one takes its row out
TOO_MANY_PARAMETERS = {
    "commands.init:init": "the options of a command line are its parameters, one each",
}
MORE_THAN_A_PAIR = {
    "cli.parser:resolve_command": "click's own method, which this one extends",
    "spec.load:_sort_key": SORT_KEY,
}


def functions(source: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def package_functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in sorted(ROOT.rglob("*.py")):
        if "templates" in path.parts:  # files of a consumer's repository
            continue
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in functions(path.read_text(encoding="utf-8")):
            yield f"{module}:{node.name}", node


def parameter_count(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many values a caller may give; an instance or a class before the dot is none of them."""
    given = node.args
    named = [*given.posonlyargs, *given.args]
    bound = bool(named) and named[0].arg in ("self", "cls")
    return len(named) - bound + len(given.kwonlyargs) + (given.vararg is not None) + (given.kwarg is not None)


def returned_count(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the size of the largest tuple in a function's return annotation; a tuple of any length counts as one value."""
    annotation = node.returns
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.parse(annotation.value, mode="eval").body
    sizes = [
        len(part.slice.elts)
        for part in (ast.walk(annotation) if annotation else ())
        if isinstance(part, ast.Subscript) and _is_tuple(part.value) and isinstance(part.slice, ast.Tuple)
    ]
    return max(sizes, default=1)


def _is_tuple(node: ast.expr) -> bool:
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return name.lower() == "tuple"


def test_no_function_takes_more_than_seven_parameters() -> None:
    found = {name for name, node in package_functions() if parameter_count(node) > MOST_PARAMETERS}
    assert found - TOO_MANY_PARAMETERS.keys() == set(), "give what belongs together a name: a frozen value"
    assert TOO_MANY_PARAMETERS.keys() - found == set(), "these are mended: take their rows out"


def test_no_function_returns_more_than_a_pair() -> None:
    found = {name for name, node in package_functions() if returned_count(node) > MOST_RETURNED}
    assert found - MORE_THAN_A_PAIR.keys() == set(), "give what is returned a name: a frozen value"
    assert MORE_THAN_A_PAIR.keys() - found == set(), "these are mended: take their rows out"


def test_what_is_counted() -> None:
    """Given signatures of every kind, then `self` is no parameter, and a tuple is found wherever it stands."""
    cases = {
        "def f(self, a, /, b, *c, d=1, **e): ...": (5, 1),
        "def f(a) -> tuple[int, ...]: ...": (1, 2),
        "def f() -> tuple[int, int, int] | None: ...": (0, 3),
        "def f() -> 'Iterator[tuple[int, str, bytes, float]]': ...": (0, 4),
        "async def f(cls) -> typing.Tuple[int, str, bytes]: ...": (0, 3),
        "def f() -> tuple[list[tuple[int, int]], int]: ...": (0, 2),
    }
    for text, counts in cases.items():
        (node,) = functions(text)
        assert (parameter_count(node), returned_count(node)) == counts, text
