"""Signed webhooks, as the Standard Webhooks specification has them (version 1, symmetric)."""

from __future__ import annotations

import base64
import binascii
import hmac

import msgspec

from alerting.channels._base import ChannelConfig, ChannelKind, Context, Example
from alerting.channels._destinations import DestinationRefused, check_url
from alerting.channels._outbound import Lookup, Outbound, OutboundFailed, system_lookup
from alerting.channels._secrets import Secret
from alerting.message import message
from alerting.sending import Delivery, Sent, Verdict
from schemas.problems import Problem
from schemas.text import Text
from schemas.time import SECOND, to_iso

_PREFIX = "whsec_"
_LEAST_KEY, _MOST_KEY = 24, 64
_SOON = frozenset({408, 425, 429})


class WebhookConfig(ChannelConfig, frozen=True, kw_only=True):
    """`url` is where to POST. The secret (`whsec_` and base64 of 24 to 64 random bytes) stands in `secret_file` or in
    the environment variable `secret_env`; during a rotation the one before stands in `previous_secret_file` or
    `previous_secret_env`, and both sign. `ca_file` holds the certificates to trust instead of the system's."""

    url: str
    secret_file: str = ""
    secret_env: str = ""
    previous_secret_file: str = ""
    previous_secret_env: str = ""
    ca_file: str = ""

    def problems(self) -> tuple[Problem, ...]:
        found = [*super().problems()]
        try:
            check_url(self.url)
        except DestinationRefused as error:
            found.append(self.problem("url", str(error)))
        if bool(self.secret_file) == bool(self.secret_env):
            found.append(
                self.problem("secret_file", "a webhook has one secret", "give either secret_file or secret_env")
            )
        if self.previous_secret_file and self.previous_secret_env:
            found.append(self.problem("previous_secret_file", "give either a file or an environment variable"))
        return tuple(found)


class Webhook:
    """POSTs each notice as `hazwatch.alarm.<change>` with the complete alarm and the message in both languages."""

    def __init__(self, config: WebhookConfig, context: Context, lookup: Lookup = system_lookup) -> None:
        """Raises ValueError when a secret is missing or no secret of this kind."""
        self._config = config
        self._context = context
        self._url = check_url(config.url)
        self._secrets = [Secret(f"channel {config.name}", file=config.secret_file, variable=config.secret_env)]
        if config.previous_secret_file or config.previous_secret_env:
            name = f"channel {config.name}, previous secret"
            self._secrets.append(Secret(name, file=config.previous_secret_file, variable=config.previous_secret_env))
        for secret in self._secrets:
            key_of(secret)
        self._outbound = Outbound(concurrency=config.concurrency, ca_file=config.ca_file, lookup=lookup)

    async def send(self, delivery: Delivery) -> Sent:
        try:
            body = payload(delivery, self._context.link(delivery))
            headers = self._headers(delivery.notice.id, delivery.at_ns // SECOND, body)
            reply = await self._outbound.request(
                "POST", self._url, headers, body, deadline_s=self._config.deadline_s, want_body=False
            )
        except (OutboundFailed, ValueError) as error:
            return Sent(verdict=Verdict.RETRY, detail=str(error))
        return Sent(verdict=verdict_of(reply.status), detail=f"HTTP {reply.status}")

    async def close(self) -> None:
        await self._outbound.close()

    def __repr__(self) -> str:
        return f"Webhook({self._config.name!r})"

    def _headers(self, id: str, timestamp: int, body: bytes) -> dict[str, str]:
        signatures = (sign(key_of(secret), id, timestamp, body) for secret in self._secrets)
        return {
            "content-type": "application/json",
            "user-agent": "hazwatch",
            "webhook-id": id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(signatures),
        }


def key_of(secret: Secret) -> bytes:
    """The key in a `whsec_` secret. Raises ValueError with the cure."""
    text = secret.reveal()
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not text.startswith(_PREFIX) or not _LEAST_KEY <= len(key) <= _MOST_KEY:
        raise ValueError(
            f"{secret.name}: the secret must be whsec_ and base64 of {_LEAST_KEY} to {_MOST_KEY} bytes; "
            'make one with: echo "whsec_$(openssl rand -base64 32)"'
        )
    return key


def sign(key: bytes, id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`."""
    digest = hmac.digest(key, f"{id}.{timestamp}.".encode() + body, "sha256")
    return "v1," + base64.b64encode(digest).decode()


def payload(delivery: Delivery, link: str) -> bytes:
    """The JSON body; the same notice gives the same body but for `attempt`, `remark` and `sent_at`."""
    notice = delivery.notice
    words = {"zh": message(delivery, "zh", link), "en": message(delivery, "en", link)}
    return msgspec.json.encode(
        {
            "type": f"hazwatch.alarm.{notice.reason}",
            "timestamp": to_iso(notice.due_ns),
            "data": {
                "notice": notice.id,
                "recipient": notice.recipient,
                "reason": notice.reason,
                "tier": notice.tier,
                "drill": notice.drill,
                "attempt": delivery.attempt,
                "sent_at": to_iso(delivery.at_ns),
                "remark": delivery.remark,
                "link": link,
                "title": {language: words[language].title for language in words},
                "message": {language: words[language].body for language in words},
                "alarm": notice.alarm,
            },
        }
    )


def verdict_of(status: int) -> Verdict:
    """What an HTTP status says: 2xx taken, 410 closed for good, 5xx and throttling soon again, the rest refused (a
    redirect is not followed)."""
    if 200 <= status < 300:
        return Verdict.ACCEPTED
    if status == 410:
        return Verdict.GONE
    return Verdict.RETRY if status >= 500 or status in _SOON else Verdict.REFUSED


KIND = ChannelKind(
    kind="webhook",
    title=Text("签名 Webhook", "signed webhook"),
    documentation=(
        "POSTs JSON, signed as the Standard Webhooks specification says: `webhook-id` is the notice's id and stays "
        "the same over retries, so a receiver drops what it has seen; `webhook-timestamp` and `webhook-signature` are "
        "those of the attempt. Any 2xx is success. Redirects are not followed. The URL is the allowlist: a name that "
        "leads to a link-local, metadata or loopback address is refused."
    ),
    config=WebhookConfig,
    open=Webhook,
    examples=(
        Example(
            Text("值班室 Webhook", "webhook of the duty room"),
            """[[channel]]
name = "duty-webhook"
kind = "webhook"
url = "https://duty.example.cn/hooks/hazwatch"
secret_file = "secrets/duty-webhook"
""",
        ),
    ),
)
