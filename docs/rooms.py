"""The rooms of the package as Markdown and as a drawing, read from the code: docstrings, folders, imports and the contract of layers."""

from __future__ import annotations

import ast
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mlops_ci"
WIDTH, BOX_HEIGHT, ROW_HEIGHT, MARGIN, GAP = 960, 84, 128, 20, 16  # pixels
BY_NAME = {("cli", "commands")}  # an import by name, which no reader of imports sees
CHARACTER_WIDTH = 5.6  # pixels of a character of the sentence in a box
# theme -> background, box, border, text, sentence, arrow
COLOURS: Mapping[str, tuple[str, ...]] = {
    "light": ("#ffffff", "#f6f8fa", "#8c959f", "#1f2328", "#59636e", "#0969da"),
    "dark": ("#0d1117", "#151b23", "#656c76", "#f0f6fc", "#9198a1", "#4493f8"),
}


@dataclass(frozen=True)
class Box:
    """A room in the drawing: its place in pixels, its name and the sentence of its docstring."""

    x: float
    y: float
    width: float
    name: str
    sentence: str


def layers() -> tuple[tuple[str, ...], ...]:
    """Return the rooms by layer, the highest first, as the import contract in pyproject.toml has them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = [
        one for one in settings["tool"]["importlinter"]["contracts"] if one.get("containers") == ["mlops_ci"]
    ]
    return tuple(tuple(name.strip() for name in layer.split("|")) for layer in contract["layers"])


def first_sentence(path: Path) -> str:
    """Return the first line of a module's docstring; a folder's is that of its `__init__.py`."""
    file = path / "__init__.py" if path.is_dir() else path
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def room_path(name: str) -> Path:
    """Return the folder of a room, or the file of a module at the top of the package."""
    folder = PACKAGE / name
    return folder if folder.is_dir() else folder.with_suffix(".py")


def page() -> Iterator[str]:
    """Yield the page about the rooms."""
    yield "# Rooms, file by file\n"
    yield "Made from the code by `python docs/generate.py`: names, docstrings, and the contract of layers in `pyproject.toml`.\n"
    yield from table()
    yield "\n```text"
    yield from tree()
    yield "```"


def tree() -> Iterator[str]:
    """Yield the lines of the package's tree: each room with its modules and what their docstrings say."""
    for name in (name for layer in layers() for name in layer):
        path = room_path(name)
        yield f"{name}/" if path.is_dir() else path.name
        if path.is_dir():
            yield from _entries(path, 1)


def _entries(folder: Path, depth: int) -> Iterator[str]:
    for path in sorted(folder.iterdir(), key=lambda one: (one.is_dir(), one.name)):
        shown = path.suffix == ".py" and path.stem != "__init__"
        if not shown and not (path.is_dir() and (path / "__init__.py").is_file()):
            continue
        label = f"{'  ' * depth}{path.name}{'/' if path.is_dir() else ''}"
        yield f"{label:<34} {first_sentence(path)}"
        if path.is_dir():
            yield from _entries(path, depth + 1)


def table() -> Iterator[str]:
    """Yield the rooms as a Markdown table, the highest layer first."""
    yield "| layer | room | holds |\n|---|---|---|"
    for number, names in enumerate(layers(), 1):
        for name in names:
            path = room_path(name)
            link = f"mlops_ci/{name}/" if path.is_dir() else f"mlops_ci/{path.name}"
            yield f"| {number} | [`{name}`](../{link}) | {first_sentence(path)} |"


def drawing(theme: str) -> str:
    """Return the rooms as an SVG picture: a row a layer, and an arrow from a room to each that it imports.

    An arrow is left out where others lead there already (the transitive reduction). `theme` is a key of COLOURS.
    """
    background, fill, border, ink, pale, arrow = COLOURS[theme]
    boxes = {box.name: box for box in _boxes()}
    height = len(layers()) * ROW_HEIGHT + 2 * MARGIN - (ROW_HEIGHT - BOX_HEIGHT)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" font-family="sans-serif">',
        "<title>The rooms of mlops_ci; an arrow points at what a room imports</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="{background}"/>',
        f"<defs>{_arrow_head(arrow)}</defs>",
    ]
    parts += [_arrow(boxes[start], boxes[end], arrow) for start, ends in reduced_imports().items() for end in ends]
    for box in boxes.values():
        parts.append(
            f'<rect x="{box.x:.0f}" y="{box.y:.0f}" width="{box.width:.0f}" height="{BOX_HEIGHT}" rx="6" fill="{fill}" stroke="{border}"/>'
        )
        parts.append(
            f'<text x="{box.x + 10:.0f}" y="{box.y + 22:.0f}" font-size="15" font-weight="bold" fill="{ink}">{escape(box.name)}</text>'
        )
        lines = textwrap.wrap(
            box.sentence, max(int((box.width - 20) / CHARACTER_WIDTH), 10), max_lines=3, placeholder=" ..."
        )
        for number, line in enumerate(lines):
            parts.append(
                f'<text x="{box.x + 10:.0f}" y="{box.y + 40 + 15 * number:.0f}" font-size="11" fill="{pale}">{escape(line)}</text>'
            )
    return "\n".join([*parts, "</svg>", ""])


def _boxes() -> Iterator[Box]:
    for row, names in enumerate(layers()):
        width = min((WIDTH - 2 * MARGIN - GAP * (len(names) - 1)) / len(names), 440.0)
        left = (WIDTH - width * len(names) - GAP * (len(names) - 1)) / 2
        for column, name in enumerate(names):
            x, y = left + column * (width + GAP), MARGIN + row * ROW_HEIGHT
            yield Box(x, y, width, name, first_sentence(room_path(name)))


def _arrow_head(colour: str) -> str:
    frame = 'id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"'
    return f'<marker {frame}><path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'


def _arrow(start: Box, end: Box, colour: str) -> str:
    x1, y1 = start.x + start.width / 2, start.y + BOX_HEIGHT
    x2, y2 = end.x + end.width / 2, end.y
    bend = (y2 - y1) / 2
    path = f"M{x1:.0f} {y1:.0f}C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2 - 2:.0f}"
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.5" marker-end="url(#tip)"/>'


def reduced_imports() -> dict[str, tuple[str, ...]]:
    """Return for each room those that it imports and that no other room it imports leads to."""
    names = [name for layer in layers() for name in layer]
    graph = grimp.build_graph("mlops_ci", cache_dir=None)
    direct = {
        name: {
            other
            for other in names
            if (name, other) in BY_NAME
            or (
                other != name
                and graph.direct_import_exists(
                    importer=f"mlops_ci.{name}", imported=f"mlops_ci.{other}", as_packages=True
                )
            )
        }
        for name in names
    }
    reach: dict[str, set[str]] = {}
    for name in reversed(names):  # lower layers first
        reach[name] = direct[name].union(*(reach[other] for other in direct[name]))
    return {
        name: tuple(
            other for other in names if other in found and not any(other in reach[middle] for middle in found - {other})
        )
        for name, found in direct.items()
    }
