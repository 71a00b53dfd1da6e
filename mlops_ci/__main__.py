"""The command `mlops-ci`. It answers `--version` itself, without importing the rest."""

from __future__ import annotations

import os
import sys

from mlops_ci import __version__


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"mlops-ci {__version__}\n")
        sys.exit(0)
    _open_closed_streams()
    from mlops_ci.cli.signals import handle_signals, watch_signals

    handle_signals()
    if sys.argv[1:2] == ["action"]:  # hidden: for the Actions' run.sh
        watch_signals()
        from mlops_ci.cli.action import run_action

        sys.exit(run_action(sys.argv[2:], os.environ))
    import gc

    if sys.argv[1:2] in (["show"], ["history"]):
        gc.disable()  # these commands read one listing and end, so there is nothing to collect
        from mlops_ci.repository.ref_listing import start_listing

        begun = start_listing()  # git runs while the rest is imported
        from mlops_ci.cli.fast_queries import try_fast_query

        if (code := try_fast_query(sys.argv[1:], begun)) is not None:
            os._exit(code)  # skips freeing every event, which takes as long as reading them
        gc.enable()
    # specs and records are trees: searching them for reference cycles takes a fifth of the reading time, and all of them
    # after each batch of a wide table a tenth of a check
    gc.set_threshold(50_000, 10, 30)

    watch_signals()
    from mlops_ci.cli.main import run_command_line

    sys.exit(run_command_line(sys.argv[1:]))


def _open_closed_streams() -> None:
    """Let a stream that the shell has closed (`>&-`) lead to nothing: otherwise the next file that is opened takes its place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115 open until the end


if __name__ == "__main__":
    main()
