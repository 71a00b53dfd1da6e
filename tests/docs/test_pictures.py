"""The pictures of a terminal in the documentation show what the commands print today."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the end of a terminal differs")
def test_the_pictures_show_what_the_commands_print(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    made = runpy.run_path(str(PICTURES.parent / "pictures.py"))["make_pictures"]()
    kept = {path.stem: path.read_text(encoding="utf-8") for path in PICTURES.glob("*.svg")}
    # numbers of a model can differ in the last digit between machines
    assert {name: re.sub(r"\d\.\d{3}", "0.000", text) for name, text in made.items()} == {
        name: re.sub(r"\d\.\d{3}", "0.000", text) for name, text in kept.items()
    }, "run `python docs/pictures.py`, and look at the difference"


@pytest.mark.parametrize("path", sorted(PICTURES.glob("*.svg")), ids=lambda path: path.stem)
def test_a_picture_is_in_colour_and_a_page_shows_it(path: Path) -> None:
    assert 'fill="#' in path.read_text(encoding="utf-8").partition("<tspan")[2]
    assert f"docs/pictures/{path.name}" in (PICTURES.parents[1] / "README.md").read_text(encoding="utf-8")
