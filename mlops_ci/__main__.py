"""The command `mlops-ci`. `--version` is answered here, since it needs nothing else."""

from __future__ import annotations

import os
import sys

from mlops_ci import __version__


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"mlops-ci {__version__}\n")
        sys.exit(0)
    if sys.argv[1:2] == ["action"]:  # hidden: for the Actions' run.sh
        from mlops_ci.cli.action import run_action

        sys.exit(run_action(sys.argv[2:], os.environ))
    import gc

    if sys.argv[1:2] in (["show"], ["history"]):
        gc.disable()  # one listing, and the process ends: there is nothing to collect
        from mlops_ci.repository.ref_listing import start_listing

        begun = start_listing()  # git is at it while the rest is imported
        from mlops_ci.cli.fast_queries import try_fast_query

        if (code := try_fast_query(sys.argv[1:], begun)) is not None:
            os._exit(code)  # all is printed, and to free every event by itself takes as long as to read it
        gc.enable()
    import signal

    gc.set_threshold(
        50_000
    )  # specs and records are trees: to look for circles in them while they are read takes a fifth of the time

    from mlops_ci.cli.main import run_command_line

    # as if by Ctrl-C, so that scratch folders go; the exit code is the one a shell reports for the signal
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

    sys.exit(run_command_line(sys.argv[1:]))


if __name__ == "__main__":
    main()
