"""Any HTTP interface, by a template: SMS gateways, and the robots of DingTalk, WeCom and Feishu."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

from alerting.channels._base import ChannelConfig, ChannelKind, Context, Example, language_of
from alerting.channels._destinations import DestinationRefused, check_url
from alerting.channels._outbound import Lookup, Outbound, OutboundFailed, Reply, system_lookup
from alerting.channels._secrets import Secret, scrub
from alerting.channels._template import escape_for, in_header, in_url, names, render, unknown
from alerting.channels.webhook import verdict_of
from alerting.message import FACTS, facts
from alerting.sending import Delivery, Sent, Verdict
from schemas.problems import Problem
from schemas.text import Text

_PERSONAL = {"phone": "phone number", "email": "e-mail address", "address": "address for this channel"}
_CHARSETS = ("utf-8", "gbk", "gb18030")
_NUMBERS = ("tier", "revision")
"""Facts that are always a number, so that JSON may hold them without quotes."""

_SHOWN = 200


class HttpConfig(ChannelConfig, frozen=True, kw_only=True):
    """`url`, the values of `headers` and `body` are templates with `{name}` for facts and `{secret.NAME}` for secrets.

    Facts are escaped for the URL and, by `content_type`, for JSON, forms, XML or plain text; `charset` is that of the
    body. `secret_files` and `secret_envs` say where each secret is. An answer counts as accepted when its status is
    2xx and, if `accept` is given, its JSON holds these values (`errcode = 0`).
    """

    url: str
    method: str = "POST"
    headers: dict[str, str] = {}
    content_type: str = "application/json"
    charset: str = "utf-8"
    body: str = ""
    accept: dict[str, str | int | bool] = {}
    secret_files: dict[str, str] = {}
    secret_envs: dict[str, str] = {}
    ca_file: str = ""

    @property
    def templates(self) -> dict[str, str]:
        """Every template by the field it stands in."""
        return {"url": self.url, "body": self.body, **{f"headers.{name}": text for name, text in self.headers.items()}}

    def problems(self) -> tuple[Problem, ...]:
        found = [*super().problems(), *self._url_problems(), *self._body_problems()]
        secrets = [*self.secret_files, *self.secret_envs]
        known = [*FACTS, *(f"secret.{name}" for name in secrets)]
        for field, template in self.templates.items():
            found += [
                self.problem(field, f"{{{name}}} stands for nothing", f"known are {', '.join(known)}")
                for name in unknown(template, known)
            ]
        if self.method not in ("GET", "POST", "PUT"):
            found.append(self.problem("method", f"{self.method!r} is not supported", "use GET, POST or PUT"))
        for name in self.headers:
            if not name.isascii() or not name.replace("-", "").isalnum():
                found.append(self.problem(f"headers.{name}", "this is no name of a header"))
        found += [
            self.problem("secret_envs", f"secret {name!r} has both a file and a variable")
            for name in self.secret_envs
            if name in self.secret_files
        ]
        return tuple(found)

    def _url_problems(self) -> list[Problem]:
        """The address may depend on facts and secrets, but not where it leads."""
        scheme, _, rest = self.url.partition("://")
        authority = rest.partition("/")[0].partition("?")[0]
        if names(scheme + authority):
            return [self.problem("url", "host and port may not come from a template", "write them out")]
        try:
            check_url(render(self.url, dict.fromkeys(names(self.url), "x"), in_url))
        except DestinationRefused as error:
            return [self.problem("url", str(error))]
        return []

    def _body_problems(self) -> list[Problem]:
        if self.charset not in _CHARSETS:
            return [self.problem("charset", f"{self.charset!r} is not supported", f"use {', '.join(_CHARSETS)}")]
        if self.body and self.content_type.partition(";")[0].strip().lower().endswith("json"):
            sample = render(self.body, dict.fromkeys(names(self.body), "x") | dict.fromkeys(_NUMBERS, "1"), str)
            try:
                json.loads(sample)
            except ValueError as error:
                return [self.problem("body", f"it is no JSON: {error}", 'placeholders stand inside quotes: "{what}"')]
        return []


class Http:
    """Sends the rendered template."""

    def __init__(self, config: HttpConfig, context: Context, lookup: Lookup = system_lookup) -> None:
        """Raises ValueError when a secret is missing."""
        self._config = config
        self._context = context
        self._secrets = {
            name: Secret(f"channel {config.name}, secret {name}", file=file)
            for name, file in config.secret_files.items()
        } | {
            name: Secret(f"channel {config.name}, secret {name}", variable=variable)
            for name, variable in config.secret_envs.items()
        }
        self._escape = escape_for(config.content_type, config.charset)
        self._needs = [name for name in _PERSONAL if any(name in names(text) for text in config.templates.values())]
        self._outbound = Outbound(concurrency=config.concurrency, ca_file=config.ca_file, lookup=lookup)

    async def send(self, delivery: Delivery) -> Sent:
        config = self._config
        values = facts(delivery, language_of(delivery, config), config.name, self._context.link(delivery))
        missing = [_PERSONAL[name] for name in self._needs if not values[name]]
        if missing:
            who = delivery.notice.recipient or "the recipient"
            return Sent(verdict=Verdict.REFUSED, detail=f"{who} has no {', '.join(missing)}")
        revealed = {f"secret.{name}": secret.reveal() for name, secret in self._secrets.items()}
        hidden = [*revealed.values(), *(values[name] for name in _PERSONAL)]
        try:
            reply = await self._request(values | revealed)
        except (OutboundFailed, ValueError) as error:
            return Sent(verdict=Verdict.RETRY, detail=scrub(str(error), hidden))
        return self._judge(reply, hidden)

    async def close(self) -> None:
        await self._outbound.close()

    def __repr__(self) -> str:
        return f"Http({self._config.name!r})"

    async def _request(self, values: Mapping[str, str]) -> Reply:
        config = self._config
        url = check_url(render(config.url, values, in_url))
        headers = {name: render(text, values, in_header) for name, text in config.headers.items()}
        body = render(config.body, values, self._escape).encode(config.charset, "replace")
        if body:
            headers["content-type"] = f"{config.content_type.partition(';')[0].strip()}; charset={config.charset}"
        headers.setdefault("user-agent", "hazwatch")
        return await self._outbound.request(
            config.method, url, headers, body, deadline_s=config.deadline_s, want_body=True
        )

    def _judge(self, reply: Reply, hidden: list[str]) -> Sent:
        text = reply.body.decode("utf-8", "replace")
        shown = " ".join(scrub(text, hidden).split())[:_SHOWN]
        shown = "".join(character for character in shown if character.isprintable())
        verdict = verdict_of(reply.status)
        if verdict is Verdict.ACCEPTED and self._config.accept:
            verdict = Verdict.ACCEPTED if _holds(text, self._config.accept) else Verdict.REFUSED
        return Sent(verdict=verdict, detail=f"HTTP {reply.status}" + (f": {shown}" if shown else ""))


def _holds(text: str, wanted: Mapping[str, str | int | bool]) -> bool:
    """Whether the answer is a JSON object with all the wanted values at its top."""
    try:
        answer = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return isinstance(answer, dict) and all(answer.get(name) == value for name, value in wanted.items())


KIND = ChannelKind(
    kind="http",
    title=Text("HTTP 模板（短信网关、群机器人）", "HTTP template (SMS gateways, chat robots)"),
    documentation=(
        "Sends a request made from templates. Known facts: "
        + ", ".join(f"`{{{name}}}`" for name in FACTS)
        + ". `{title}` is one line, `{message}` the whole text, in the language of the contact. Secrets never stand in "
        "the configuration: `{secret.NAME}` is read from its file at every use."
    ),
    config=HttpConfig,
    open=Http,
    examples=(
        Example(
            Text("短信网关（表单）", "SMS gateway (form)"),
            """[[channel]]
name = "sms"
kind = "http"
url = "https://sms.example.cn/send"
content_type = "application/x-www-form-urlencoded"
body = "account={secret.account}&password={secret.password}&mobile={phone}&content={title}"
accept = { code = 0 }
secret_files = { account = "secrets/sms-account", password = "secrets/sms-password" }
""",
        ),
        Example(
            Text("钉钉群机器人", "DingTalk group robot"),
            """[[channel]]
name = "dingtalk"
kind = "http"
url = "https://oapi.dingtalk.com/robot/send?access_token={secret.token}"
body = '{"msgtype": "text", "text": {"content": "{message}"}}'
accept = { errcode = 0 }
secret_files = { token = "secrets/dingtalk-token" }
""",
        ),
        Example(
            Text("企业微信群机器人", "WeCom group robot"),
            """[[channel]]
name = "wecom"
kind = "http"
url = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={secret.key}"
body = '{"msgtype": "text", "text": {"content": "{message}"}}'
accept = { errcode = 0 }
secret_files = { key = "secrets/wecom-key" }
""",
        ),
        Example(
            Text("飞书群机器人", "Feishu group robot"),
            """[[channel]]
name = "feishu"
kind = "http"
url = "https://open.feishu.cn/open-apis/bot/v2/hook/{secret.hook}"
body = '{"msg_type": "text", "content": {"text": "{message}"}}'
accept = { code = 0 }
secret_files = { hook = "secrets/feishu-hook" }
""",
        ),
    ),
)
