"""Makes the pictures of a terminal in docs/pictures: `python docs/pictures.py`. They show a real run of the template `minimal`."""

from __future__ import annotations

import fcntl
import html
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

FOLDER = Path(__file__).parent / "pictures"
COLUMNS = 80
COMMANDS = {
    "check": "mlops-ci check",
    "gate": "mlops-ci gate",
    "show": "mlops-ci show",
    "history": "mlops-ci history",
}
_CELL, _LINE, _EDGE = 8.4, 19, 16  # the width of a character, the height of a line and the margin, in pixels
_COLOURS = {"31": "#f85149", "32": "#3fb950", "33": "#d29922", "36": "#39c5cf", "2": "#8b949e"}
_STYLE = re.compile(r"\x1b\[([0-9;]*)m")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-ln-z]")
# what differs from run to run
_MOMENTS = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d"), "2026-01-05 09:00"),
    (re.compile(r"\b[0-9a-f]{10,64}\b"), lambda found: ("5eed" * 16)[: len(found.group())]),
    (re.compile(r"fitted in \d+\.\d s"), "fitted in 0.4 s"),
)


def main() -> None:
    """Write every picture."""
    FOLDER.mkdir(exist_ok=True)
    for name, picture in make_pictures().items():
        (FOLDER / f"{name}.svg").write_text(picture, encoding="utf-8")


def make_pictures() -> dict[str, str]:
    """Return the pictures as SVG by name, from a new repository in a temporary folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / ".gitconfig").write_text(
            "[user]\n name = Ada\n email = ada@example.org\n[init]\n defaultBranch = main\n"
        )
        kept = ("PATH", "LANG", "TMPDIR", "PYTHONPATH")
        env = {key: value for key, value in os.environ.items() if key in kept}
        env |= {"HOME": name, "TERM": "xterm", "GIT_CONFIG_NOSYSTEM": "1"}
        tool = (sys.executable, "-m", "mlops_ci")
        steps = (
            (folder, ("git", "init", "--quiet", "--bare", "origin.git")),
            (folder, ("git", "clone", "--quiet", "origin.git", "demo")),
            (folder / "demo", (*tool, "init", ".", "--template", "minimal")),
            (folder / "demo", ("git", "add", "--all")),
            (folder / "demo", ("git", "commit", "--quiet", "-m", "Start")),
            (folder / "demo", ("git", "push", "--quiet", "--set-upstream", "origin", "main")),
            (folder / "demo", (*tool, "gate")),
            (folder / "demo", (*tool, "release")),
            (folder / "demo", (*tool, "deploy", "diagnosis", "--env", "staging")),
            (folder / "demo", (*tool, "deploy", "diagnosis", "--env", "prod")),
        )
        pictures = {}
        for where, argv in steps:
            if argv[-1] == "gate":
                for first in ("check", "gate"):
                    pictures[first] = _draw(COMMANDS[first], _show((*tool, first), where, env))
            else:
                subprocess.run(argv, cwd=where, env=env, check=True, capture_output=True)
        for later in ("show", "history"):
            pictures[later] = _draw(COMMANDS[later], _show((*tool, later), folder / "demo", env))
    return pictures


def _show(argv: tuple[str, ...], folder: Path, env: dict[str, str]) -> str:
    """Return what a command prints on a terminal, but for its progress."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    with subprocess.Popen(argv, cwd=folder, env=env, stdout=theirs, stderr=subprocess.DEVNULL):
        os.close(theirs)
        written = b""
        while chunk := _read(ours):
            written += chunk
    os.close(ours)
    shown = _CONTROL.sub("", written.decode()).replace("\r", "")
    for moment, fixed in _MOMENTS:
        shown = moment.sub(fixed, shown)
    return shown.strip("\n")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # on Linux, the last writer has gone
        return b""


def _draw(command: str, shown: str) -> str:
    lines = [f"$ {command}", *shown.split("\n")]
    width, height = round(COLUMNS * _CELL) + 2 * _EDGE, len(lines) * _LINE + 2 * _EDGE
    drawn = []
    for number, line in enumerate(lines):
        style, parts = "", []
        for index, piece in enumerate(_STYLE.split(line)):
            if index % 2:
                style = _COLOURS.get(piece, "")
            elif piece:
                fill = f' fill="{style}"' if style else ""
                parts.append(f"<tspan{fill}>{html.escape(piece)}</tspan>")
        y = _EDGE + (number + 1) * _LINE - 5
        drawn.append(f'<text x="{_EDGE}" y="{y}" xml:space="preserve">{"".join(parts)}</text>')
    body = "\n".join(drawn)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">\n'
        f"<title>{html.escape(command)}</title>\n"
        f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>\n'
        '<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14" fill="#e6edf3">\n'
        f"{body}\n</g>\n</svg>\n"
    )


if __name__ == "__main__":
    main()
