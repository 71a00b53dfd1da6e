"""Makes docs/specs.md from the JSON Schemas, docs/cli.md from the commands, the Actions from the table of verbs, the schemas of the answers, and the rooms from the code.

`python docs/generate.py`; a test compares.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import output_schemas
import rooms

from mlops_ci.cli.parser import build_command_group
from mlops_ci.cli.verbs import all_verbs
from mlops_ci.core.verbs import COMMON_OUTPUTS, REQUIREMENTS_OPTIONS, ActionOutput, Option, Verb
from mlops_ci.spec.schemas import json_schema

DOCS = Path(__file__).parent
ACTIONS = DOCS.parent / "actions"
SCHEMAS = DOCS.parent / "schemas" / "v1"
KINDS = ("project", "dataset", "model", "deployment")


def pages() -> dict[str, str]:
    """Return each generated page by its file name in docs/."""
    texts = {"specs.md": _specs(), "cli.md": _cli(), "rooms.md": rooms.page()}
    drawings = {f"rooms-{theme}.svg": rooms.drawing(theme) for theme in rooms.COLOURS}
    return {**{name: "\n".join(lines) + "\n" for name, lines in texts.items()}, **drawings}


SETUP = Verb(
    "setup",
    "Put the command mlops-ci on the PATH, at the Action's own ref.",
    surfaces=("action",),
    outputs=(ActionOutput("version", "The toolkit's version."), ActionOutput("command", "The command's path.")),
    icon="download",
)


def actions() -> dict[str, str]:
    """Return each generated file by its path in actions/: an action.yml for each verb, and their table."""
    verbs = [SETUP, *(verb for verb in all_verbs() if "action" in verb.surfaces)]
    files = {f"{verb.name}/action.yml": "\n".join(_action(verb)) + "\n" for verb in verbs}
    return {**files, "README.md": "\n".join(_table(verbs)) + "\n"}


def _given(verb: Verb) -> tuple[Option, ...]:
    return REQUIREMENTS_OPTIONS if verb is SETUP else verb.inputs


def _told(verb: Verb) -> tuple[ActionOutput, ...]:
    return (COMMON_OUTPUTS[0], *verb.outputs) if verb is SETUP else (*COMMON_OUTPUTS, *verb.outputs)


def _action(verb: Verb) -> Iterator[str]:
    module = verb.module.replace(".", "/")
    source = "docs/generate.py" if verb is SETUP else f"{module}.py"
    yield f"# Made from {source} by `python docs/generate.py`."
    yield f"name: mlops-ci {verb.name}\ndescription: {json.dumps(verb.summary)}\nauthor: mlops-ci"
    yield f"branding: {{icon: {verb.icon}, color: purple}}\ninputs:"
    for option in _given(verb):
        default = "" if option.default in (None, ()) else str(option.default)
        required = json.dumps(option.required)
        yield f"  {option.flag}: {{description: {json.dumps(option.help)}, required: {required}, default: {json.dumps(default)}}}"
    yield "outputs:"
    for output in _told(verb):
        value = f"${{{{ steps.run.outputs.{output.name} }}}}"
        yield f"  {output.name}: {{description: {json.dumps(output.help)}, value: {json.dumps(value)}}}"
    yield "runs:\n  using: composite\n  steps:\n    - id: run\n      shell: bash"
    yield f"""      run: '"$GITHUB_ACTION_PATH/../run.sh" {verb.name}'"""
    yield "      env:\n        MLOPS_CI_INPUTS: ${{ toJSON(inputs) }}"
    yield f"        GITHUB_TOKEN: {'${{ env.GITHUB_TOKEN || github.token }}' if verb.permissions else _NOTHING}"
    if not verb.signs:
        yield f"        MLOPS_CI_SIGNING_KEY: {_NOTHING}"


_NOTHING = '""'  # whatever the workflow gave to all of its steps


def _table(verbs: list[Verb]) -> Iterator[str]:
    yield (ACTIONS / "about.md").read_text(encoding="utf-8")
    yield "| Action | does | inputs | outputs | permissions |\n|---|---|---|---|---|"
    for verb in verbs:
        inputs = ", ".join(f"**{one.flag}**" if one.required else one.flag for one in _given(verb))
        outputs = ", ".join(one.name for one in _told(verb))
        rights = "<br>".join(f"`{one.scope}: {one.access}` {one.why}" for one in verb.permissions) or "none"
        yield f"| [{verb.name}]({verb.name}/action.yml) | {verb.summary} | {inputs} | {outputs} | {rights} |"
    yield "\n## Inputs\n"
    for verb in verbs:
        yield f"### {verb.name}\n\n| input | default | is |\n|---|---|---|"
        for option in _given(verb):
            default = "" if option.default in (None, ()) else _code(str(option.default))
            several = " Several: separated by white space or commas, or a JSON list." if option.multiple else ""
            switch = " `true` or `false`." if option.kind == "flag" else ""
            yield f"| {option.flag} | {'required' if option.required else default} | {option.help}{several}{switch} |"
        yield ""


def _specs() -> Iterator[str]:
    yield "# Specs, field by field\n"
    yield "Made from the schemas in `schemas/v1` by `python docs/generate.py`. Every schema is closed: a field that is not here is an error.\n"
    for kind in KINDS:
        schema = json_schema(kind.title())
        yield f"## {schema['title']}\n\n{schema['description']}\n"
        yield "| field | type | default | meaning |\n|---|---|---|---|"
        yield from _rows(schema, schema, "")
        yield ""


def _rows(schema: Mapping[str, Any], root: Mapping[str, Any], prefix: str) -> Iterator[str]:
    required = schema.get("required", ())
    for name, found in schema.get("properties", {}).items():
        field = _resolved(found, root)
        path = f"{prefix}{name}"
        default = "required" if name in required else _code(json.dumps(field["default"])) if "default" in field else ""
        meaning = str(field.get("description", "")).replace("|", "\\|")
        yield f"| `{path}` | {_type(field, root)} | {default} | {meaning} |"
        yield from _inside(field, root, path)
    typed = [branch["then"] for branch in schema.get("allOf", ()) if "const" in json.dumps(branch["if"])]
    rows = [row for one in typed for row in _rows({**one, "properties": _own_fields(one), "allOf": []}, root, prefix)]
    yield from dict.fromkeys(rows)  # of all types; a field that several have alike is told once


def _own_fields(rules: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of one type, without those that its place has whatever the type."""
    return {name: field for name, field in rules["properties"].items() if name != "type" and field is not True}


def _inside(field: Mapping[str, Any], root: Mapping[str, Any], path: str) -> Iterator[str]:
    items = _resolved(field.get("items", {}), root)
    items = next((one for one in items.get("anyOf", ()) if "properties" in one), items)
    values = field.get("additionalProperties")
    if "properties" in field:
        yield from _rows(field, root, f"{path}.")
    elif "properties" in items:
        yield from _rows(items, root, f"{path}[].")
    elif isinstance(values, Mapping):
        yield from _rows(_resolved(values, root), root, f"{path}.NAME.")


def _type(field: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    if "const" in field:
        return _code(str(field["const"]))
    if "enum" in field:
        return ", ".join(_code(str(value)) for value in field["enum"])
    for several in ("anyOf", "oneOf"):
        if several in field and "properties" not in field:
            return " or ".join(dict.fromkeys(_type(_resolved(one, root), root) for one in field[several]))
    kind = field.get("type", "any")
    if kind == "array":
        return f"list of {_type(_resolved(field.get('items', {}), root), root)}"
    return kind if isinstance(kind, str) else " or ".join(kind)


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref", "")
    if not reference.startswith("#/"):
        return schema
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return {**found, **{key: value for key, value in schema.items() if key != "$ref"}}


def _code(text: str) -> str:
    return f"`{text}`" if text else "`''`"


def _cli() -> Iterator[str]:
    yield "# Commands\n"
    yield "What `--help` prints, made by `python docs/generate.py`.\n"
    main = build_command_group(lambda _verb, _options: 0)
    context = click.Context(main, info_name="mlops-ci", terminal_width=100, max_content_width=100)
    yield f"```text\n{main.get_help(context)}\n```\n"
    yield from _help_pages(main, context)


def _help_pages(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None  # noqa: S101 - listed by the group itself
        inner = click.Context(command, info_name=name, parent=context, terminal_width=100, max_content_width=100)
        title = inner.command_path.removeprefix("mlops-ci ")
        yield f"## {title}\n\n```text\n{command.get_help(inner)}\n```\n"
        if isinstance(command, click.Group):
            yield from _help_pages(command, inner)


if __name__ == "__main__":
    for file, text in pages().items():
        (DOCS / file).write_text(text, encoding="utf-8")
    for file, text in actions().items():
        (ACTIONS / file).parent.mkdir(exist_ok=True)
        (ACTIONS / file).write_text(text, encoding="utf-8")
    for file, text in output_schemas.output_schemas().items():
        (SCHEMAS / file).parent.mkdir(exist_ok=True)
        (SCHEMAS / file).write_text(text, encoding="utf-8")
