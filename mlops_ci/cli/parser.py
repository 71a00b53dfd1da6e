"""Builds click's commands from the verbs' rows. Only the row of the command that runs is read, and no verb is imported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from mlops_ci import __version__
from mlops_ci.cli.verbs import CI_GROUP, CI_SUMMARY, CI_VERBS, COMMANDS, SECTIONS, find_verb
from mlops_ci.core.suggestions import find_nearest, quote, suggest
from mlops_ci.core.verbs import Option, Verb

VerbRunner = Callable[[Verb, dict[str, Any]], int]


def build_command_group(run: VerbRunner) -> click.Group:
    """Return the command group; `run` is called with the verb and its parsed options, and returns the exit code."""
    main = _SectionedGroup(
        "mlops-ci",
        SECTIONS,
        run,
        help="GitOps CI/CD for machine learning: specs in git define the checks, training, gates, releases and deployments.",
        epilog="Exit codes: 0 ok, 1 findings (a check or the gate failed), 2 usage or invalid spec, 3 environment, 4 bug.",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    ci_jobs = {"Commands": tuple(f"{CI_GROUP} {name}" for name in CI_VERBS)}
    main.add_command(_SectionedGroup(CI_GROUP, ci_jobs, run, help=CI_SUMMARY))
    return click.version_option(__version__, message="mlops-ci %(version)s")(main)


class _SectionedGroup(click.Group):
    """A group whose help lists the commands by section, in the order of use. Commands are built on demand."""

    def __init__(self, name: str, sections: Mapping[str, Iterable[str]], run: VerbRunner, **settings: Any) -> None:
        super().__init__(name, **settings)
        # each command's words, such as `ci keep`, by its name in this group
        self._sections = {title: {words.split()[-1]: words for words in names} for title, names in sections.items()}
        self._run = run

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [name for names in self._sections.values() for name in names] + list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for names in self._sections.values():
            if cmd_name in names:
                return _build_command(find_verb(names[cmd_name]), self._run)
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        titles = {name: title for title, names in self._sections.items() for name in names}
        width = max(map(len, self.list_commands(ctx)))
        sections: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            if (command := self.get_command(ctx, name)) is not None:
                row = (name.ljust(width), command.get_short_help_str(formatter.width - 6 - width))
                sections.setdefault(titles.get(name, "CI jobs"), []).append(row)
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            typed = name if ctx.parent is None else f"{ctx.info_name} {name}"
            match = find_nearest(typed, (*COMMANDS, CI_GROUP))
            help = f"did you mean 'mlops-ci {match}'?" if match else "`mlops-ci --help` lists them"
            raise click.UsageError(f"unknown command {quote(name)}; {help}", ctx)
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise _option_error(error, self, ctx) from error


class _VerbCommand(click.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise _option_error(error, self, ctx) from error


_OPTIONS_OF_VERBS = ("-C", "--format", "--dry-run")  # git and others take them before the command


def _option_error(error: click.NoSuchOption, command: click.Command, ctx: click.Context) -> click.UsageError:
    flags = [flag for option in command.get_params(ctx) for flag in option.opts if flag.startswith("-")]
    if isinstance(command, click.Group) and error.option_name in _OPTIONS_OF_VERBS:
        words = (
            f"write {quote(error.option_name)} after the command: `{ctx.command_path} validate {error.option_name} ...`"
        )
        return click.UsageError(words, ctx)
    match = find_nearest(error.option_name, flags)
    help = f"did you mean '{match}'?" if match else f"`{ctx.command_path} --help` lists them"
    return click.UsageError(f"unknown option {quote(error.option_name)}; {help}", ctx)


class _Choice(click.Choice[str]):
    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:  # noqa: ARG002 - click's signature
        return (
            f"{quote(str(value))} is not a valid choice; {suggest(str(value), self.choices, otherwise='it is one of')}"
        )


def _build_command(verb: Verb, run: VerbRunner) -> click.Command:
    def callback(**options: Any) -> int:
        return run(verb, options)

    params: list[click.Parameter] = [_build_parameter(option) for option in verb.options]
    params.append(
        click.Option(
            ["--format", "fmt"],
            type=_Choice(verb.formats),
            default="text",
            show_default=True,
            help="The format of the report.",
        )
    )
    if verb.writes:
        params.append(click.Option(["--dry-run"], is_flag=True, help="Print the plan and write nothing."))
    if verb.lists_requirements:
        help = "List the requirements that do not apply, too, in the table of a text."
        params.append(click.Option(["--all", "every_requirement"], is_flag=True, help=help))
    params.append(
        click.Option(["-C", "chdir"], type=click.Path(), metavar="DIR", default=".", help="Run as if started in DIR.")
    )
    return _VerbCommand(verb.name, callback=callback, params=params, help=f"{verb.summary}\n\n{verb.details}".strip())


def _build_parameter(option: Option) -> click.Parameter:
    kinds: dict[str, click.ParamType[Any]] = {
        "text": click.STRING,
        "path": click.Path(),
        "choice": _Choice(option.choices),
        "count": click.IntRange(min=1),
    }
    # click treats an explicit default of None as a given value
    settings = {"required": option.required} if option.default is None else {"default": option.default}
    if option.positional:
        return click.Argument(
            [option.name],
            type=kinds[option.kind],
            nargs=-1 if option.multiple else 1,
            **settings,
            metavar=option.metavar if option.required else f"[{option.metavar}]{'...' if option.multiple else ''}",
        )
    flag = f"--{option.flag}"
    if option.kind == "flag":
        return click.Option([flag, option.name], is_flag=True, help=option.help)
    return click.Option(
        [flag, option.name],
        type=kinds[option.kind],
        multiple=option.multiple,
        **settings,
        metavar=option.metavar,
        help=option.help,
    )
