"""Makes click's commands from the table of verbs; no step is imported before it is run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from mlops_ci import __version__
from mlops_ci.cli.verbs import VERBS, Option, Verb

VerbRunner = Callable[[Verb, dict[str, Any]], int]


def build_command_group(run: VerbRunner) -> click.Group:
    """Return the command group; `run` gets the verb and its parsed options, and its answer is the exit code."""
    commands = {verb.name: _build_command(verb, run) for verb in VERBS if "cli" in verb.surfaces}
    main = click.Group(
        "mlops-ci",
        commands,
        help="GitOps CI/CD for machine learning: specs in git drive checks, training, gates, releases and deployments.",
        epilog="Exit codes: 0 ok, 1 findings (a check or the gate said no), 2 usage or invalid spec, 3 environment, 4 bug.",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    return click.version_option(__version__, message="mlops-ci %(version)s")(main)


def _build_command(verb: Verb, run: VerbRunner) -> click.Command:
    def callback(**options: Any) -> int:
        return run(verb, options)

    params: list[click.Parameter] = [_build_parameter(option) for option in verb.options]
    params.append(
        click.Option(
            ["--format", "fmt"],
            type=click.Choice(verb.formats),
            default="text",
            show_default=True,
            help="How to report.",
        )
    )
    if verb.writes:
        params.append(click.Option(["--dry-run"], is_flag=True, help="Print the plan and write nothing."))
    params.append(
        click.Option(["-C", "chdir"], type=click.Path(), metavar="DIR", default=".", help="Run as if started in DIR.")
    )
    return click.Command(verb.name, callback=callback, params=params, help=f"{verb.summary}\n\n{verb.details}".strip())


def _build_parameter(option: Option) -> click.Parameter:
    kinds: dict[str, click.ParamType[Any]] = {
        "text": click.STRING,
        "path": click.Path(),
        "choice": click.Choice(option.choices),
        "count": click.IntRange(min=1),
    }
    # to click, a default of None is a value that was given
    given = {"required": option.required} if option.default is None else {"default": option.default}
    if option.positional:
        return click.Argument(
            [option.name],
            type=kinds[option.kind],
            nargs=-1 if option.multiple else 1,
            **given,
            metavar=option.metavar if option.required else f"[{option.metavar}]{'...' if option.multiple else ''}",
        )
    flag = f"--{option.flag}"
    if option.kind == "flag":
        return click.Option([flag, option.name], is_flag=True, help=option.help)
    return click.Option(
        [flag, option.name],
        type=kinds[option.kind],
        multiple=option.multiple,
        **given,
        metavar=option.metavar,
        help=option.help,
    )
