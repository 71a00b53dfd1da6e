"""Situations that real repositories get into: what brings each about, what each verb then says, and the exit code.

A *kind* of situations is one module of this package: `KIND` (its title, its order on the page and a paragraph about it) and
`SITUATIONS`. Nothing else has to be registered. `docs/situations.md` is made from them by `python -m tests.situations`, and
the tests of this package run every row; those of situations that are `slow` run in `nox -s slow`.

To add a situation, write a function that brings it about and a row:

    def shallow_clone(stage: Stage) -> Consumer:
        running = stage.running()                       # a copy of its own: a clone and its origin
        return stage.clone(running, "--depth=1")        # where the commands run

    Situation(
        "a shallow clone",
        shallow_clone,
        Said("show", 0, "registry-incomplete", "git fetch"),   # the command line, the exit code, the id of what is said first
        Said("deploy diagnosis --env prod", 0),                # nothing is said
        then=require_whole,                                    # optional: what must hold afterwards
    )

The commands of a situation run one after the other in the same place. `diagnosis@v1.0.0` runs in staging there, prod is empty,
and a second candidate has passed the gate: `release`, `deploy diagnosis --env prod` and `retire` each have something to do.
A command that ends with 1 or 3 must leave the origin's refs as they were, unless the row says `writes=True`.
"""
