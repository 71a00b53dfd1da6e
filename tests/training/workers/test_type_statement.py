"""What a worker states before it runs a stranger's code cannot be changed by this code."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlops_ci.core.errors import Findings
from mlops_ci.training.workers.type_statement import open_channel, read_statement, state_types


def test_types_are_read_as_they_were_stated() -> None:
    with open_channel() as (ours, theirs):
        state_types(os.dup(theirs.fileno()), ("make.Odd", "os.system"))
        assert read_statement(ours) == ("make.Odd", "os.system")


def test_a_worker_that_states_nothing_has_not_stated_that_there_are_none() -> None:
    with open_channel() as (ours, theirs):
        assert read_statement(ours) is None
        state_types(os.dup(theirs.fileno()), ())
        assert read_statement(ours) == ()


def test_the_first_statement_counts() -> None:
    with open_channel() as (ours, theirs):
        for types in (("make.Odd",), ()):
            state_types(os.dup(theirs.fileno()), types)
        assert read_statement(ours) == ("make.Odd",)


def test_a_long_list_arrives_and_one_without_end_is_a_finding() -> None:
    with open_channel() as (ours, theirs):
        many = tuple(f"{'m' * 490}.T{number}" for number in range(390))
        state_types(os.dup(theirs.fileno()), many)
        assert read_statement(ours) == many
        with pytest.raises(Findings, match="too many to list"):
            state_types(os.dup(theirs.fileno()), many * 3)


@pytest.mark.parametrize("message", [b"", b"null", b"[]", b'{"types":"os"}', b'{"types":[1]}', b"{" * 9_000, b"\xff"])
def test_anything_else_is_no_statement(message: bytes) -> None:
    with open_channel() as (ours, theirs):
        theirs.send(message)
        assert read_statement(ours) is None


def test_a_name_in_any_script_counts_its_own_bytes() -> None:
    with open_channel() as (ours, theirs):
        names = tuple("\U0001d7d8" * 400 + f".T{number}" for number in range(100))
        state_types(os.dup(theirs.fileno()), names)
        assert read_statement(ours) == names


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="only Linux lists descriptors as files")
def test_the_socket_cannot_be_opened_again() -> None:
    """Given the parent's descriptors in /proc, when another process opens one by its path, then there is none to write to."""
    with open_channel() as (ours, _), pytest.raises(OSError, match="No such device or address"):
        os.open(f"/proc/{os.getpid()}/fd/{ours.fileno()}", os.O_WRONLY)
