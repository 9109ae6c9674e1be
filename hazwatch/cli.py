"""The `hazwatch` command. Sub-commands live beside what they do and are imported when they are called."""

from __future__ import annotations

import importlib

import click

from hazwatch import logs

COMMANDS = {
    "up": ("hazwatch.commands.up", "up", "Run everything on this machine: broker, alarm path, history, console."),
    "run": ("hazwatch.commands.run", "run", "Run one role against Kafka, Mosquitto and PostgreSQL."),
    "check": (
        "hazwatch.config.commands",
        "check",
        "Check a configuration and run its rule cases; all problems at once.",
    ),
    "diff": ("hazwatch.commands.diff", "diff", "Show what a configuration changes, and what of it is less strict."),
    "apply": ("hazwatch.commands.apply", "apply", "Put a changed configuration into force in a running system."),
    "grade": ("hazwatch.commands.grade", "grade", "Grade the major hazard sources by what they hold, and say why."),
    "tags": ("hazwatch.config.commands", "tags", "Import tag lists from spreadsheets."),
    "init": ("hazwatch.init.command", "init", "Propose a complete configuration with rules for a tag list."),
    "simulate": ("sensors_sim.command", "simulate", "Publish a simulated plant over MQTT."),
    "replay": ("hazwatch.replay.command", "replay", "Feed a recording through both folds on the recording's time."),
    "train": (
        "hazwatch.train.command",
        "train",
        "Learn a unit's healthy behaviour from a recording, for early warning.",
    ),
    "backtest": (
        "hazwatch.commands.backtest",
        "backtest",
        "Replay two configurations over the same recordings and compare their alarms.",
    ),
    "shadow": (
        "hazwatch.commands.shadow",
        "shadow",
        "Run a candidate beside the live rules of a running system, and compare their alarms.",
    ),
    "tune": ("hazwatch.commands.tune", "tune", "Propose deadband and delays for limits that chatter, from history."),
    "deadletters": (
        "hazwatch.commands.deadletters",
        "deadletters",
        "List, read and drive again what could not be read.",
    ),
    "bench": ("hazwatch.bench.command", "bench", "Measure the whole pipeline on this machine under load."),
    "bench-rules": (
        "hazwatch.bench.rules.command",
        "bench_rules",
        "Measure every rule kind on one core of this machine.",
    ),
    "doctor": ("hazwatch.commands.doctor", "doctor", "Is every part reachable, in which version, and well set up?"),
    "topics": ("hazwatch.commands.topics", "topics", "Create or verify the topics in Kafka."),
    "users": ("hazwatch.commands.users", "users", "Make users of the console and set their passwords."),
}
"""Name -> (module, attribute, one line of help)."""


class LazyGroup(click.Group):
    """Knows its commands by name and imports a module only when its command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and name not in COMMANDS and not name.startswith("-"):
            import difflib

            close = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f" Did you mean `{close[0]}`?" if close else ""
            ctx.fail(f"There is no command {name!r}.{hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="hazwatch", prog_name="hazwatch")
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False),
    default="INFO",
    show_default=True,
    help="How much the process log says.",
)
def main(log_level: str) -> None:
    """Watch chemical parks and warn before people die.

    Gateways publish readings over MQTT; rules are evaluated over the stream; alarms reach the control room, phones and
    other systems; the history is kept. Start with `hazwatch up --demo`.

    Exit codes: 0 done, 1 problems were found, 2 the call was wrong, 70 a part died.
    """
    logs.set_up(log_level)
