"""Names: functions are verbs or nouns, and a public name has one meaning in the whole package."""

from __future__ import annotations

import re
from collections import defaultdict

from tests.architecture.source import functions, modules, public_names

# words that end like a participle and are none, or are verbs in the imperative
NOT_PARTICIPLES = frozenset(
    {"bed", "embed", "exceed", "feed", "need", "proceed", "seed", "speed", "shared", "nested", "spawn"}
    | {"often", "token", "open", "listen", "shorten", "widen", "happen", "hidden", "between", "then", "when", "ten"}
)
IRREGULAR = frozenset(
    {"begun", "built", "done", "drawn", "found", "given", "gone", "held", "kept", "known", "left", "lent"}
    | {"lost", "made", "meant", "met", "put_away", "said", "seen", "sent", "shown", "told", "taken", "worn", "written"}
)
# functions whose first word is a participle all the same, each with its reason; at most ten
PARTICIPLES_ALLOWED = {"mlops_ci.commands.ci.affected.affected": "the verb is called so: it lists the affected models"}

# public names that stand in several modules with one meaning, as a convention of their folder or of Python
CONVENTIONS = {
    "T": "type variables are named so everywhere",
    "main": "the entry point of a program, also of each worker",
    "breaks": "the one function of each file in governance/audit",
    "GROUP": "the group of rows of each file in governance/doctor",
    "predict": "the function of `predict` and of `ci predict`: a verb's function has the name of the verb",
    "SPEC": "the row of a verb in its own file",
    "PLUGIN": "the value that each file of plugins offers",
}


def is_participle(name: str) -> bool:
    """Tell whether a function's name is a participle, or begins with one that no noun follows."""
    words = name.split("_")
    first, rest = words[0], words[1:]
    if words[:2] == ["built", "in"]:  # an adjective
        return False
    if first in IRREGULAR or (re.fullmatch(r"[a-z]+(ed|wn)", first) and first not in NOT_PARTICIPLES):
        return not rest or rest[0] in {"a", "all", "and", "as", "at", "by", "for", "from", "in", "of", "on", "to"}
    return False


def test_no_function_is_a_participle() -> None:
    found = {one.name for one in functions() if is_participle(one.own_name)}
    assert found - PARTICIPLES_ALLOWED.keys() == set(), "name the verb that it does, or the noun that it returns"
    assert PARTICIPLES_ALLOWED.keys() <= found
    assert len(PARTICIPLES_ALLOWED) <= 10


def test_the_test_of_participles_knows_one() -> None:
    assert [is_participle(name) for name in ("told", "judged", "given", "settled_by")] == [True] * 4
    assert [is_participle(name) for name in ("read", "need", "embed", "judged_rows", "open_session")] == [False] * 5


def test_a_public_name_is_defined_once() -> None:
    homes: dict[str, set[str]] = defaultdict(set)
    for module in modules():
        for name in public_names(module):
            homes[name].add(module.name)
    several = {name: sorted(found) for name, found in homes.items() if len(found) > 1 and name not in CONVENTIONS}
    assert several == {}, "one meaning a name: rename all but one, or import it"
