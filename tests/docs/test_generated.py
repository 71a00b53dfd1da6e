from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
assert spec is not None
assert spec.loader is not None
sys.path.insert(0, str(DOCS))  # as `python docs/generate.py` has it
generate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(generate)


@pytest.mark.parametrize("page", ["specs.md", "cli.md", "rooms.md", "rooms-light.svg", "rooms-dark.svg"])
def test_generated_pages_are_what_the_code_makes(page: str) -> None:
    assert (DOCS / page).read_text(encoding="utf-8") == generate.pages()[page], "run: python docs/generate.py"


def test_the_schemas_of_the_answers_are_what_the_types_of_the_results_make() -> None:
    made = generate.output_schemas.output_schemas()
    folder = DOCS.parent / "schemas" / "v1"
    assert {f"output/{path.name}" for path in (folder / "output").iterdir()} == set(made)
    for file, text in made.items():
        assert (folder / file).read_text(encoding="utf-8") == text, "run: python docs/generate.py"


def test_the_actions_are_what_the_table_of_verbs_makes() -> None:
    made = generate.actions()
    folder = DOCS.parent / "actions"
    for file, text in made.items():
        assert (folder / file).read_text(encoding="utf-8") == text, "run: python docs/generate.py"
    assert {path.parent.name for path in folder.glob("*/action.yml")} == {Path(file).parent.name for file in made} - {
        ""
    }
