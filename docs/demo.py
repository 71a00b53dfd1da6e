"""The story on real flights, told by running it: `nox -s demo`, or `python docs/demo.py [FOLDER]`.

A first model is gated, released and deployed; a better one replaces it; a worse one and corrupted data are refused, and
leave nothing behind; production is rolled back; the history shows it all. Each step's exit code is checked.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

MODEL = Path("models/delay.yaml")
MORE = "[hour, distance, carrier, origin, dest, month, weekday, temp, dewp, humid, wind_dir, wind_speed, precip, pressure, visib]"


@dataclass
class Story:
    """The scratch repository, and a row for each thing that happened in it."""

    folder: Path
    rows: list[tuple[str, str, str, str]] = field(default_factory=list)

    def tell(self, what: str) -> None:
        """Start a chapter."""
        print(f"\n\033[1m=== {what}\033[0m" if sys.stdout.isatty() else f"\n=== {what}", flush=True)

    def git(self, *args: str) -> str:
        """Run git as the user would."""
        print(f"$ git {' '.join(args)}", flush=True)
        return self._run(["git", *args]).stdout.strip()

    def mlops(self, *args: str, expect: int = 0, note: str = "") -> None:
        """Run a verb, show what it prints, and insist on its exit code."""
        print(f"$ mlops-ci {' '.join(args)}", flush=True)
        began = time.monotonic()
        done = self._run([sys.executable, "-m", "mlops_ci", *args], check=False)
        print(done.stdout + done.stderr, flush=True)
        if done.returncode != expect:
            sys.exit(f"mlops-ci {' '.join(args)} ended with {done.returncode}, and the story needs {expect}")
        self.rows.append(
            (f"mlops-ci {' '.join(args[:4])}", str(done.returncode), f"{time.monotonic() - began:.1f} s", note)
        )

    def commit(self, message: str) -> None:
        """Commit and push everything."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", message)
        self.git("push", "--quiet", "origin", "HEAD")

    def published(self) -> str:
        """Return every ref of the origin: what the world can see."""
        return self._run(["git", "ls-remote", "origin"]).stdout

    def _run(self, command: list[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=self.folder, check=check, capture_output=True, text=True)


def main(root: Path) -> None:
    """Tell the whole story below a folder."""
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(root / "origin.git")], check=True)
    subprocess.run(
        ["git", "clone", "--quiet", str(root / "origin.git"), str(root / "delays")], check=True, capture_output=True
    )
    story = Story(root / "delays")
    story.git("switch", "--quiet", "--orphan", "main")
    story.git("config", "user.name", "Ada Lovelace")
    story.git("config", "user.email", "ada@example.org")

    story.tell("A repository: January to March 2013, every flight out of New York")
    story.mlops("init", ".", "--template", "flights", note="77,911 flights that arrived, three monthly files")
    story.mlops("validate", note="every spec, with its references")
    story.commit("Start from the flights template")

    story.tell("A modest first model passes its floors and goes to production")
    story.mlops("gate", note="hour and distance only")
    story.mlops("gate", note="the same question again: 0 models fitted")
    story.mlops("release", "delay", note="delay@v1.0.0")
    story.mlops("deploy", "delay", "--env", "staging", note="delay#staging#1")
    story.mlops("deploy", "delay", "--env", "prod", note="delay#prod#2")
    story.git("pull", "--quiet", "--rebase", "origin", "main")

    story.tell("A better model: carrier, airports, calendar and weather")
    _edit(story.folder / MODEL, "features: [hour, distance]", f"features: {MORE}")
    story.commit("Know the carrier, the airports, the calendar and the weather")
    story.mlops("gate", note="beats the champion")
    story.mlops("release", "delay", note="delay@v2.0.0: its inputs changed")
    story.mlops("deploy", "delay", "--env", "staging", note="delay#staging#3")
    story.mlops("deploy", "delay", "--env", "prod", note="delay#prod#4")
    story.git("pull", "--quiet", "--rebase", "origin", "main")

    story.tell("A worse model is refused")
    before = story.published()
    _edit(story.folder / MODEL, f"features: {MORE}", "features: [hour, temp, visib]")
    story.git("commit", "--quiet", "--all", "-m", "Simplify the model")
    story.mlops("gate", expect=1, note="worse than delay@v2.0.0")
    story.mlops("release", "delay", expect=1, note="not without a pass")
    story.git("reset", "--quiet", "--hard", "origin/main")

    story.tell("Corrupted data are refused")
    _corrupt(story.folder)
    story.git("commit", "--quiet", "--all", "-m", "New export of March")
    story.mlops("gate", expect=1, note="distances below zero, an unknown carrier")
    story.git("reset", "--quiet", "--hard", "origin/main")
    if story.published() != before:
        sys.exit("a refused candidate left something at the origin")
    print("(the origin is as it was: no tag, no manifest, no run)")

    story.tell("Production is rolled back")
    story.mlops(
        "rollback",
        "delay",
        "--env",
        "prod",
        "--reason",
        "complaints about early warnings",
        note="delay#prod#5: v1.0.0 again",
    )
    story.git("pull", "--quiet", "--rebase", "origin", "main")
    print(story.git("log", "--oneline", "-3", "--", "deploy/prod/delay"))

    story.tell("What happened, from git alone")
    story.mlops("show", note="what runs where")
    story.mlops("history", note="every event with its evidence")
    story.mlops("fetch", "delay@2.0.0", str(root / "model"), note="verified, with three lines that load it")
    _summary(story, root)


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    if old not in text:
        sys.exit(f"{path} does not hold {old!r}")
    print(f"  {path.name}: {old} -> {new}")
    path.write_text(text.replace(old, new))


def _corrupt(folder: Path) -> None:
    import pandas as pd

    path = folder / "data/flights/2013-03.parquet"
    table = pd.read_parquet(path)
    table.loc[table.index[:500], "distance"] = -1
    table.loc[table.index[500:900], "carrier"] = "??"
    table.to_parquet(path, index=False)
    print("  data/flights/2013-03.parquet: 500 distances are -1, 400 carriers are '??'")


def _summary(story: Story, root: Path) -> None:
    story.tell("Summary")
    widths = [max(len(row[index]) for row in story.rows) for index in range(3)]
    for row in story.rows:
        print("  ".join((row[0].ljust(widths[0]), f"exit {row[1]}", row[2].rjust(widths[2]), row[3])))
    print(f"""
Where to look (below {root}):
  delays/                     the repository: specs in models/ and data/, manifests in deploy/
  git tag -n1                 the registry: delay@v1.0.0, delay@v2.0.0, delay#prod#5 ...
  git cat-file tag delay@v2.0.0                                 a release with its evidence
  git show refs/mlops/releases/delay/v2.0.0:report.md           the gate's report
  git log refs/mlops/log/delay                                  the order of events
""")


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else Path(tempfile.mkdtemp(prefix="mlops-ci-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
    print(f"All of it stays there until you remove it: rm -r {folder}")
