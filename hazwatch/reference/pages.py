"""The pages by name; each is a function without arguments that returns Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import click

from alerting.channels import kinds as channel_kinds
from hazwatch.cli import COMMANDS, main
from hazwatch.config.columns import COLUMNS
from hazwatch.config.load import ARRAYS, SINGLE
from hazwatch.metrics import METRICS
from hazwatch.reference import library, voting
from hazwatch.reference.markdown import fence, fields, prose, table
from hazwatch.reference.plots import plot_name
from ingest.formats import FORMATS
from rules.kinds import kinds as rule_kinds
from schemas.quality import Quality

MADE = "<!-- Made by `python -m hazwatch.reference docs/reference`; do not edit by hand. -->"


def commands() -> str:
    """Every command with its help."""
    parts = ["# Commands", MADE]
    whole = click.Context(main, info_name="hazwatch", terminal_width=100, **main.context_settings)
    for name in COMMANDS:
        for context in _walk(whole, name, main.get_command(whole, name)):
            parts += [f"## {context.command_path}", fence(context.get_help(), "text")]
    return _page(parts)


def _walk(parent: click.Context, name: str, command: click.Command | None) -> Iterator[click.Context]:
    """The command as people call it (its options for help are those of the whole), and what is under it."""
    if command is None:
        return
    context = click.Context(command, info_name=name, parent=parent, terminal_width=100, max_content_width=100)
    yield context
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            yield from _walk(context, inner, command.get_command(context, inner))


def configuration() -> str:
    """The tables of `hazwatch.toml` and the columns of a tag list."""
    parts = [
        "# Configuration",
        MADE,
        "`hazwatch check FILE` reports all problems of a file and its tag lists at once. A JSON Schema for editors is "
        "[schema/hazwatch.toml.json](schema/hazwatch.toml.json). A name that ends in `_s` is in seconds.",
    ]
    for name, struct in ARRAYS.items():
        parts += [f"## `[[{name}]]`", prose(struct), fields(struct)]
    for name, struct in SINGLE.items():
        parts += [f"## `[{name}]`", prose(struct), fields(struct)]
    parts += ["## `[[channel]]`", "The fields depend on `kind`; see [channels](channels.md)."]
    rows = [(f"`{c.name}`", c.zh, c.kind, c.help) for c in COLUMNS]
    parts += [
        "## Columns of a tag list",
        "Headings may be in English or Chinese; `hazwatch tags template` writes an empty list.",
        table(("column", "Chinese heading", "what stands in it", "remark"), rows),
    ]
    return _page(parts)


def rules() -> str:
    """Every rule kind."""
    parts = [
        "# Rule kinds",
        MADE,
        "`limits`, `stale` and `quality` are asked of every tag unless a rule replaces them.",
    ]
    for kind in rule_kinds().values():
        parts += [
            f"## `{kind.name}` — {kind.title.zh} / {kind.title.en}",
            _module_text(kind.rows),
            f"Class of its alarms: {kind.alarm_class}. Levels: {kind.levels}. Source: {kind.source}",
            "### Parameters",
            prose(kind.params),
            fields(kind.params),
            "### Examples",
        ]
        for number, example in enumerate(kind.examples):
            readings = ", ".join(str(list(r)) for r in example.case.readings)
            expect = ", ".join(str(list(e)) for e in example.case.expect) or "nothing"
            if set(example.params):
                readings += f"; with {', '.join(f'{k} = {v!r}' for k, v in example.params.items())}"
            parts += [
                f"**{example.case.name}**",
                f"![{example.case.name}](plots/{plot_name(kind, number)})",
                f"Readings (s, value) {readings}. What comes of them: {expect}.",
            ]
    return _page(parts)


def rule_library() -> str:
    """Every entry of the library."""
    return _page(["# Library of processes and equipment", MADE, *library.parts()])


def votes() -> str:
    """What voting costs and buys."""
    return _page(["# Voting in figures", MADE, *voting.parts()])


def _module_text(loop: Callable[..., int]) -> str:
    import importlib

    return prose(importlib.import_module(getattr(loop, "py_func", loop).__module__))


def formats() -> str:
    """Every payload format."""
    parts = ["# Payload formats", MADE, "Named by `format` in a `[[source]]`."]
    for one in FORMATS.values():
        parts += [f"## `{one.name}` — {one.title.zh} / {one.title.en}", one.doc]
        for example in one.examples:
            outcome = f"refused: {example.rejected}" if example.rejected else f"{len(example.readings)} readings"
            parts += [f"{example.title.en} ({outcome}):", fence(_printable(example.payload), "text")]
    rows = [(str(int(q)), q.name.lower(), "good" if q < 64 else "uncertain" if q < 128 else "bad") for q in Quality]
    parts += ["## Quality", table(("number", "name", "class"), rows)]
    return _page(parts)


def _printable(payload: bytes) -> str:
    text = payload.decode("utf-8", "backslashreplace")
    return text if len(text) <= 600 else text[:600] + " ..."


def channels() -> str:
    """Every kind of channel."""
    parts = ["# Channels", MADE]
    for kind in channel_kinds().values():
        parts += [f"## `{kind.kind}` — {kind.title.zh} / {kind.title.en}", kind.documentation, fields(kind.config)]
        for example in kind.examples:
            parts += [f"{example.title.en}:", fence(example.toml, "toml")]
    return _page(parts)


def metrics() -> str:
    """Every metric."""
    rows = [(f"`{n}`", m.kind, ", ".join(m.labels), ", ".join(m.roles), m.help) for n, m in METRICS.items()]
    return _page(
        [
            "# Metrics",
            MADE,
            "Every role serves `/metrics` at the address of `--metrics`; the processes of `hazwatch up` say theirs.",
            table(("name", "kind", "labels", "roles", "meaning"), rows),
        ]
    )


def _page(parts: list[str]) -> str:
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands,
    "configuration.md": configuration,
    "rules.md": rules,
    "library.md": rule_library,
    "voting.md": votes,
    "formats.md": formats,
    "channels.md": channels,
    "metrics.md": metrics,
}
