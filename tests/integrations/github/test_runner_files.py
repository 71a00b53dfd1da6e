"""What a step tells GitHub's runner by files: outputs that nothing can be slipped into, and a summary that fits."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.integrations.github.runner_files import SUMMARY_LIMIT, cut_to_bytes, write_outputs, write_summary

hostile = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(
        ["x\nverdict=pass", "end-0\nverdict<<end-0\npass", "EOF\n", "\r", "a\r\nb", "\n", "", "x\n\n", "verdict<<x"]
    ),
)


def as_the_runner_reads(text: str) -> dict[str, str]:
    """Read a file of outputs as GitHub's runner does: NAME=VALUE, or NAME<<END, lines, END."""
    lines = text.split("\n")
    found: dict[str, str] = {}
    while lines:
        line = lines.pop(0)
        if not line and not lines:
            break
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            found[line[:equals]] = line[equals + 1 :]
            continue
        assert heredoc > 0, line
        name, end = line[:heredoc], line[heredoc + 2 :]
        at = lines.index(end)
        found[name] = "\n".join(lines[:at])
        del lines[: at + 1]
    return found


@given(st.dictionaries(st.from_regex(r"[a-z][a-z-]{0,10}", fullmatch=True), hostile, max_size=5))
def test_whatever_a_value_holds_no_output_is_added_or_changed(outputs: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "outputs"
        file.write_text("before=there\n")
        write_outputs({"GITHUB_OUTPUT": str(file)}, outputs)
        with file.open(encoding="utf-8", newline="") as stream:
            assert as_the_runner_reads(stream.read()) == {"before": "there", **outputs}


def test_an_end_cannot_be_guessed_from_another(tmp_path: Path) -> None:
    file = tmp_path / "outputs"
    write_outputs({"GITHUB_OUTPUT": str(file)}, {"a": "x", "b": "x"})
    ends = re.findall(r"<<(end-[0-9a-f]{32})$", file.read_text(), re.MULTILINE)
    assert len(set(ends)) == 2


def test_half_a_character_is_written_as_a_question_mark(tmp_path: Path) -> None:
    outputs, summary = tmp_path / "outputs", tmp_path / "summary"
    write_outputs({"GITHUB_OUTPUT": str(outputs)}, {"a": "\ud800"})
    write_summary({"GITHUB_STEP_SUMMARY": str(summary)}, "\ud800")
    assert as_the_runner_reads(outputs.read_text()) == {"a": "?"}
    assert summary.read_text() == "?"


def test_outside_a_step_nothing_is_written(tmp_path: Path) -> None:
    write_outputs({}, {"a": "x"})
    write_summary({}, "x")
    write_summary({"GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}, "")
    write_outputs({"GITHUB_OUTPUT": str(tmp_path / "outputs")}, {})
    assert list(tmp_path.iterdir()) == []


def test_a_summary_is_added_to_what_is_there_and_fits(tmp_path: Path) -> None:
    file = tmp_path / "summary"
    file.write_text("before\n")
    write_summary({"GITHUB_STEP_SUMMARY": str(file)}, "\N{SNOWMAN} line\n" * 200_000)
    text = file.read_text(encoding="utf-8")
    assert text.startswith("before\n\N{SNOWMAN} line\n")
    assert len(text.encode()) <= SUMMARY_LIMIT + len("before\n")
    assert text.endswith("The job's log has everything._\n")


@given(st.text(), st.integers(20, 60))
def test_a_cut_text_fits_and_ends_with_a_whole_line(text: str, limit: int) -> None:
    pointer = "\n...more\n"
    left = cut_to_bytes(text, limit, pointer)
    assert len(left.encode()) <= limit
    whole = text.encode("utf-8", "replace").decode()
    assert left == whole or (left.endswith(pointer) and whole.startswith(left.removesuffix(pointer)))
