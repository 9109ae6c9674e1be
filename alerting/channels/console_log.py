"""Writes each notice as one line to the log of the process: for a first try, and as a trace beside real channels."""

from __future__ import annotations

import logging

from alerting.channels._base import ChannelConfig, ChannelKind, Context, Example, language_of
from alerting.message import message
from alerting.sending import Delivery, Sent, Verdict
from schemas.text import Text

log = logging.getLogger("hazwatch.notice")


class ConsoleLogConfig(ChannelConfig, frozen=True, kw_only=True):
    """Nothing more to say."""


class ConsoleLog:
    def __init__(self, config: ConsoleLogConfig, context: Context) -> None:
        self._config = config
        self._context = context

    async def send(self, delivery: Delivery) -> Sent:
        text = message(delivery, language_of(delivery, self._config), self._context.link(delivery)).title
        line = "".join(character if character.isprintable() else " " for character in text)
        log.warning("%s [%s]", line, delivery.notice.id)
        return Sent(verdict=Verdict.ACCEPTED, detail="logged")

    async def close(self) -> None:
        """Nothing to release."""

    def __repr__(self) -> str:
        return f"ConsoleLog({self._config.name!r})"


KIND = ChannelKind(
    kind="console_log",
    title=Text("进程日志", "log of the process"),
    documentation="One line per notice at level WARNING of the logger `hazwatch.notice`. Reaches nobody by itself.",
    config=ConsoleLogConfig,
    open=ConsoleLog,
    examples=(
        Example(
            Text("写入日志", "into the log"),
            """[[channel]]
name = "log"
kind = "console_log"
language = "en"
""",
        ),
    ),
    reaches_people=False,
)
