"""Validation of one document against the JSON Schema of its kind, with readable messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.digest import canonical_json
from mlops_ci.core.suggestions import find_nearest, quote, suggest
from mlops_ci.spec.plugin_schema import OTHER_FIELDS, extend_schema
from mlops_ci.spec.spec_types import API_VERSION, SPEC_KINDS
from mlops_ci.spec.tagged_types import find_plugin_types
from mlops_ci.spec.validation.fast_check import schema_predicate
from mlops_ci.spec.yaml.document import Document, Pointer

MAX_SPEC_FINDINGS = 100  # per document: a list of thousands of wrong values is usually one mistake
_FUTURE_KINDS = {"Monitor": "monitoring is not available in this version of mlops-ci"}


def validate_document(document: Document) -> tuple[Diagnostic, ...]:
    """Return the findings of one spec on its own: apiVersion first, then kind, then every field.

    An unknown apiVersion or kind is the only finding, because the schema is then unknown.
    """
    data = document.data
    version = data.get("apiVersion")
    if version != API_VERSION:
        return (
            Diagnostic(
                "spec-api-version",
                f"this version of mlops-ci does not read apiVersion {quote(str(version))}",
                document.locate(("apiVersion",)),
                f"write `apiVersion: {API_VERSION}`, or install the version of mlops-ci that the spec was written for",
            ),
        )
    if "kind" not in data:
        return (
            Diagnostic(
                "spec-missing-field",
                "the spec has no 'kind'",
                document.locate(()),
                f"add `kind:`, one of: {', '.join(SPEC_KINDS)}",
            ),
        )
    kind = data["kind"]
    if not isinstance(kind, str) or kind not in SPEC_KINDS:
        where = document.locate(("kind",))
        help = _FUTURE_KINDS.get(str(kind)) or suggest(str(kind), SPEC_KINDS)
        return (Diagnostic("spec-kind", f"{quote(str(kind))} is not a kind of spec", where, help),)
    return _schema_findings(document, kind)


def _schema_findings(document: Document, kind: str) -> tuple[Diagnostic, ...]:
    if schema_predicate(kind)(document.data):
        return ()
    # imported here: a valid spec with only built-in types needs neither jsonschema nor the installed plugins
    from mlops_ci.spec.validation.jsonschema_validator import schema_validator, validator_of

    plugins = find_plugin_types(document, kind)
    if plugins:
        validator = validator_of(extend_schema(kind, ((use.place, plugin) for use, plugin in plugins)))
    else:
        validator = schema_validator(kind)
    errors = list(islice(validator.iter_errors(document.data), MAX_SPEC_FINDINGS + 1))
    misspelt = {wanted for error in errors for wanted in _misspelt_fields(error)}
    found: dict[tuple[Any, ...], Diagnostic] = {}
    for error in errors:
        if not _is_consequence(error, misspelt):
            for diagnostic in islice(_explain(document, error), MAX_SPEC_FINDINGS + 1):
                # one unknown field can break two rules, the object's and its type's: keep the first finding
                words = "" if diagnostic.id == "spec-unknown-field" else diagnostic.message
                found.setdefault((diagnostic.id, diagnostic.location, words), diagnostic)
    findings = sorted(found.values(), key=_sort_key)
    if max(len(errors), len(findings)) <= MAX_SPEC_FINDINGS:
        return tuple(findings)
    more = Diagnostic(
        "spec-more-errors",
        f"this spec has more than {MAX_SPEC_FINDINGS} errors; only the first {MAX_SPEC_FINDINGS} are shown",
        findings[:MAX_SPEC_FINDINGS][-1].location,
        severity="note",
    )
    return (*findings[:MAX_SPEC_FINDINGS], more)


def _misspelt_fields(error: Any) -> Iterator[tuple[Pointer, str]]:
    """Yield the known field that each unknown, probably misspelt, field stands for."""
    if error.validator == "additionalProperties" and "type" in error.schema:
        known = list(error.schema.get("properties", {}))
        for name in error.instance:
            match = find_nearest(name, known) if name not in (*known, *error.schema.get(OTHER_FIELDS, ())) else None
            if match and match not in error.instance:
                yield (*error.absolute_path,), match


def _is_consequence(error: Any, misspelt: set[tuple[Pointer, str]]) -> bool:
    """Return whether a field is missing only because it is misspelt, which another finding reports."""
    at = (*error.absolute_path,)
    match error.validator:
        case "required":
            return any((at, name) in misspelt and f"'{name}'" in error.message for name in error.validator_value)
        case "oneOf" | "anyOf":
            names = [name for branch in error.validator_value for name in branch.get("required", ())]
            return any((at, name) in misspelt for name in names)
        case _:
            return False


def _sort_key(diagnostic: Diagnostic) -> tuple[int, int]:
    where = diagnostic.location
    return (where.line or 0, where.column or 0) if where else (0, 0)


def _explain(document: Document, error: Any) -> Iterator[Diagnostic]:
    """Yield the findings for one jsonschema error: one per field when the error names several fields."""
    at: Pointer = tuple(error.absolute_path)
    rule, limit, value = error.validator, error.validator_value, error.instance
    rules = error.schema if isinstance(error.schema, Mapping) else {}
    noun = _field_noun(rules, at)
    if rule in ("additionalProperties", "unevaluatedProperties"):
        yield from _unknown_field_findings(document, at, value, rules, noun)
    elif rule == "required":
        for name in limit:
            if name not in value and f"'{name}'" in error.message:
                yield _missing_field_finding(document, at, name, noun)
    elif rule in ("oneOf", "anyOf"):
        yield _alternatives_finding(document, at, error, noun)
    elif rule == "type":
        yield _type_finding(document, at, rules, value)
    elif rule in ("enum", "const"):
        yield _choice_finding(document, at, limit if rule == "enum" else [limit], value)
    elif rule == "uniqueItems":
        yield from _repeated_item_findings(document, at, value)
    elif rule == "propertyNames" or "propertyNames" in error.absolute_schema_path:
        yield Diagnostic("spec-value", "a name is empty", document.locate((*at, ""), key=True), "write a name")
    else:
        message, help = _bound_message(rule, limit, value, rules, at)
        yield Diagnostic("spec-value", message, document.locate(at), help)


def _field_noun(rules: Mapping[str, Any], at: Pointer) -> str:
    title = rules.get("title")
    if title and at:
        return f"'{title}'" if " " not in title and title.islower() else str(title)
    return f"'{at[-1]}'" if at else "the spec"


def _unknown_field_findings(
    document: Document, at: Pointer, value: Mapping[str, Any], rules: Mapping[str, Any], noun: str
) -> Iterator[Diagnostic]:
    known = list(rules.get("properties", {}))
    for name in value:
        if name in known:
            continue
        help = f"its fields are: {', '.join(known)}"
        # a rule for one `type` rejects fields that other types have: such a field is not misspelt. These rules
        # omit "type: object", or list the fields of all types in OTHER_FIELDS
        spelt_well = "type" not in rules or name in rules.get(OTHER_FIELDS, ())
        if not spelt_well and (match := find_nearest(name, known)):
            help = f"did you mean '{match}'?" if match not in value else f"delete it; '{match}' is already here"
        message = f"{quote(name)} is not a field of {noun}"
        yield Diagnostic("spec-unknown-field", message, document.locate((*at, name), key=True), help)


def _missing_field_finding(document: Document, at: Pointer, name: str, noun: str) -> Diagnostic:
    return Diagnostic("spec-missing-field", f"{noun} has no '{name}'", document.locate(at, key=True), f"add `{name}:`")


def _alternatives_finding(document: Document, at: Pointer, error: Any, noun: str) -> Diagnostic:
    """Return the finding for a failed `oneOf` or `anyOf`: a choice between fields, or between forms of a value."""
    branches = error.validator_value
    words = error.schema.get("errorMessage")
    if all(set(branch) == {"required"} for branch in branches):
        fields = [name for branch in branches for name in branch["required"]]
        given = [name for name in fields if name in error.instance]
        listed = f"'{fields[0]}' and '{fields[1]}'"
        if given:
            where = document.locate((*at, given[-1]), key=True)
            return Diagnostic("spec-conflict", f"{noun} has both {listed}", where, "keep exactly one of them")
        help = f"add one of them: {', '.join(f'`{name}:`' for name in fields)}"
        return Diagnostic(
            "spec-missing-field",
            words or f"{noun} has neither {listed}".replace(" and ", " nor "),
            document.locate(at, key=True),
            help,
        )
    if isinstance(error.instance, list):
        for inner in error.context:
            if len(inner.absolute_path) > len(error.absolute_path) or inner.validator != "const":
                return next(_explain(document, inner))
    value = error.instance
    lists = any(branch.get("type") == "array" for branch in branches)
    instead = _suggest_list(value) if lists and isinstance(value, str) else None
    return Diagnostic("spec-value", f"{_field_path(at)}: {words}, not {_describe(value)}", document.locate(at), instead)


_TYPE_NAMES = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "fields (`name: value`)",
    "null": "nothing",
}


def _type_finding(document: Document, at: Pointer, rules: Mapping[str, Any], value: Any) -> Diagnostic:
    types = [rules["type"]] if isinstance(rules["type"], str) else rules["type"]
    expected = " or ".join(_TYPE_NAMES[name] for name in types)
    where = document.locate(at) if value is not None and not isinstance(value, dict) else document.locate(at, key=True)
    message = f"{_field_path(at)} must be {expected}, not {_describe(value)}"
    if value is None:
        message = f"{_field_path(at)} has no value; it must be {expected}"
    return Diagnostic(
        "spec-type", message, where, _suggest_value(types, value, at) or _suggest_field_form(rules, value, at)
    )


# By a schema's title: the field that a single value probably means where an object is expected, and how to write it.
_SHORT_FORMS = {
    "metadata": ("name", "{{name: {}}}"),
    "nulls": ("max", "{{max: {}}}"),
    "length": ("max", "{{max: {}}}"),
    "replicas": ("min", "{{min: {0}, max: {0}}}"),
    "rollout": ("strategy", "{{strategy: {}}}"),
    "release": ("bump", "{{bump: {}}}"),
    "split": ("by", "{{by: {}}}"),
    "target": ("type", "{{type: {}}}"),
    "a source": ("path", "{{type: csv, path: {}}}"),
    "a column": ("type", "{{type: {}}}"),
    "a requirement": ("metric", "{{metric: {}, min or max: …}}"),
}


def _suggest_field_form(rules: Mapping[str, Any], value: Any, at: Pointer) -> str | None:
    """Return a hint that writes a single value as the field it was probably meant for."""
    # only invalid specs need it
    from mlops_ci.spec.validation.jsonschema_validator import is_valid_against

    name, form = _SHORT_FORMS.get(str(rules.get("title")), ("", ""))
    known = [one.get("properties", {}) for one in (rules, *(part.get("then", {}) for part in rules.get("allOf", ())))]
    meant = next((fields[name] for fields in known if name in fields), None)
    if meant is None or not isinstance(value, str | int | float) or not is_valid_against(meant, value):
        return None
    written = form.format(value if len(str(value)) <= 60 else "…")
    return f"write `{at[-1]}: {written}`" if isinstance(at[-1], str) else f"write `- {written}`"


def _suggest_list(text: str) -> str:
    return f"write a list: [{text if len(text) <= 60 else '…'}]"


def _suggest_value(types: list[str], value: Any, at: Pointer) -> str | None:
    """Return a hint that shows how to write the value that was probably meant."""
    if value is None:
        return "write a value, or delete the line to use the default"
    if isinstance(value, str):
        # only invalid specs need it
        from mlops_ci.spec.yaml.compose import parse_plain_scalar

        try:
            meant = parse_plain_scalar(value.strip())
        except (ValueError, OverflowError):
            return None
        number = isinstance(meant, int | float) and not isinstance(meant, bool)
        if number and ("number" in types or ("integer" in types and isinstance(meant, int))):
            return f"write it without quotes: {value.strip()}"
        if "boolean" in types:
            return f"write {'false' if value.lower() in ('no', 'off', 'false', 'n', '0') else 'true'}, without quotes"
        if "array" in types:
            return _suggest_list(value)
        return None
    if isinstance(value, bool | int | float) and "string" in types:
        return (
            f'write it in quotes: "{value}"'
            if not isinstance(value, bool)
            else f'write it in quotes: "{str(value).lower()}"'
        )
    if isinstance(value, float) and value.is_integer() and "integer" in types:
        return f"write {int(value)}"
    if isinstance(value, int | float) and "array" in types:
        return f"write a list: [{value}]"
    if isinstance(value, dict) and "array" in types and at:
        names = ", ".join(value)
        return _suggest_list(names) if all(item is None for item in value.values()) else "start each item with '- '"
    return None


def _describe(value: Any) -> str:
    """Return a short description of a value, in YAML's terms."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text {quote(value)}"
        case list():
            return "a list"
        case _:
            return "fields"


def _choice_finding(document: Document, at: Pointer, options: list[Any], value: Any) -> Diagnostic:
    names = [str(option) for option in options]
    shown = quote(value) if isinstance(value, str) else _describe(value)
    if not isinstance(value, str | int | float | bool):
        return Diagnostic(
            "spec-type",
            f"{_field_path(at)} must be text, not {_describe(value)}",
            document.locate(at, key=True),
            suggest("", names),
        )
    if len(names) == 1:
        return Diagnostic(
            "spec-value",
            f"{_field_path(at)} must be '{names[0]}', not {shown}",
            document.locate(at),
            f"write `{at[-1]}: {names[0]}`",
        )
    help = suggest(str(value), names)
    return Diagnostic("spec-value", f"{_field_path(at)} cannot be {shown}", document.locate(at), help)


def _repeated_item_findings(document: Document, at: Pointer, value: list[Any]) -> Iterator[Diagnostic]:
    seen: dict[str, int] = {}
    for index, item in enumerate(value):
        name = canonical_json(item)
        if name in seen:
            first = document.locate((*at, seen[name]))
            shown = quote(item) if isinstance(item, str) else _describe(item)
            message = f"{_field_path(at)} lists {shown} twice; the first is at {first.line}:{first.column}"
            yield Diagnostic("spec-repeated", message, document.locate((*at, index)), "delete one of them")
        seen.setdefault(name, index)


_BOUND_PHRASES = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "greater than {}",
    "exclusiveMaximum": "less than {}",
    "maxLength": "at most {} characters long",
}


def _bound_message(rule: str, limit: Any, value: Any, rules: Mapping[str, Any], at: Pointer) -> tuple[str, str | None]:
    """Return the message and the hint for a value that violates a bound or a pattern."""
    if rule == "pattern":
        return f"{_field_path(at)} cannot be {quote(value)}", rules.get("patternErrorMessage")
    if rule in ("minLength", "minProperties", "minItems"):
        return f"{_field_path(at)} is empty", "write a value, or delete the field"
    wanted = _BOUND_PHRASES.get(rule, f"{rule} {{}}").format(limit)
    given = "" if isinstance(value, str | list | dict) else f", not {value}"
    return f"{_field_path(at)} must be {wanted}{given}", _suggest_share(value, rules)


def _suggest_share(value: Any, rules: Mapping[str, Any]) -> str | None:
    """Return a hint with the value as a share, when it was probably written in percent."""
    top = rules.get("maximum", rules.get("exclusiveMaximum", 2))
    if isinstance(value, int | float) and 1 < value <= 100 and top <= 1:
        # only invalid specs need it
        from mlops_ci.spec.validation.jsonschema_validator import is_valid_against

        return f"did you mean {value / 100:g}?" if is_valid_against(rules, value / 100) else None
    return None


def _field_path(at: Iterable[str | int]) -> str:
    """Return a field's path below `spec`, such as `checks[0].min`; list items are counted from 0."""
    parts = list(at)
    if parts[:1] == ["spec"] and len(parts) > 1:
        parts = parts[1:]
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")
    return quote(text) if text else "the document"
