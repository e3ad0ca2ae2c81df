"""The command line of Tideline. Exit codes: 0 done, 1 failed, 2 wrong usage or input."""

import faulthandler
import sys

import typer

from ops.errors import ConfigurationError, TidelineError
from tideline import __version__
from tideline.commands import (
    features,
    models,
    products,
    publish,
    replay,
    roles,
    rules,
    schema,
    topics,
    users,
)
from tideline.commands.backtest import backtest
from tideline.commands.bench import bench
from tideline.commands.demo import demo
from tideline.commands.desk import desk
from tideline.commands.doctor import doctor
from tideline.commands.evaluate import evaluate
from tideline.commands.lending_core import lending_core
from tideline.commands.migrate import migrate
from tideline.commands.simulate import simulate
from tideline.commands.webhooks import webhooks
from tideline.console import EXIT_FAILED, EXIT_USAGE, progress_console

app = typer.Typer(
    name="tideline",
    help="Real-time risk monitor for internet lending to micro and small merchants.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tideline {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True),
) -> None:
    """Settings come from TIDELINE_… variables or the TOML file that TIDELINE_CONFIG names."""


for command in (
    demo,
    roles.worker,
    roles.learner,
    roles.monitor,
    roles.sink,
    webhooks,
    desk,
    lending_core,
    migrate,
    publish.publish,
    replay.replay,
    backtest,
    evaluate,
    models.models,
    simulate,
    schema.schema,
    doctor,
    bench,
):
    app.command()(command)
app.add_typer(topics.app, name="topics")
app.add_typer(features.app, name="features")
app.add_typer(rules.app, name="rules")
app.add_typer(products.app, name="products")
app.add_typer(users.app, name="users")


def main() -> None:
    """Entry point: errors that have a remedy are said in one line, others keep their trace."""
    faulthandler.enable()
    try:
        app()
    except ConfigurationError as error:
        progress_console.print(f"[bold red]wrong settings or usage[/]: {error}", highlight=False)
        sys.exit(EXIT_USAGE)
    except FileNotFoundError as error:
        progress_console.print(f"[bold red]no such file[/]: {error.filename}", highlight=False)
        sys.exit(EXIT_USAGE)
    except TidelineError as error:
        progress_console.print(f"[bold red]failed[/]: {error}", highlight=False)
        sys.exit(EXIT_FAILED)


if __name__ == "__main__":
    main()
