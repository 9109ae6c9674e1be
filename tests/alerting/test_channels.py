"""What every registered channel promises, and what the HTTP ones do against receivers that misbehave."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import ssl
import subprocess
import time
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from standardwebhooks import Webhook as Verifier

from alerting.channels import Context, kinds, open_channel, read_channels
from alerting.channels._base import ChannelConfig, ChannelKind, OpenChannel
from alerting.channels._destinations import DestinationRefused, check_address, check_url
from alerting.channels._outbound import Outbound, OutboundFailed
from alerting.contacts import Contact
from alerting.sending import Delivery, Sent, Verdict
from schemas.alarms import Notice
from tests.alerting import rude_server as rude
from tests.alerting.bench import START, Desk, change
from tests.parts.net import free_port
from tests.parts.webhook_sink import WebhookSink, answer

OFFICER = Contact(id="officer", name="王工", phone="13800138000", email="wang@example.cn", addresses={"sms": "w-1"})
SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMw=="
OLD_SECRET = "whsec_" + "b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQtb2xkLW9sZC0xMg=="
DEADLINE_S = 1.5
FAILURES: dict[str, tuple[rude.Behaviour, Verdict]] = {
    "500": (rude.status(500), Verdict.RETRY),
    "400": (rude.status(400), Verdict.REFUSED),
    "401 that echoes the secret": (rude.status(401, body=SECRET.encode()), Verdict.REFUSED),
    "410": (rude.status(410), Verdict.GONE),
    "429": (rude.status(429, b"retry-after: 86400\r\n"), Verdict.RETRY),
    "redirect": (rude.status(302, b"location: http://127.0.0.1:1/\r\n"), Verdict.REFUSED),
    "redirect to itself": (rude.status(307, b"location: /\r\n"), Verdict.REFUSED),
    "never answers": (rude.never_answers, Verdict.RETRY),
    "resets": (rude.resets, Verdict.RETRY),
    "hangs up": (rude.hangs_up, Verdict.RETRY),
    "drips headers": (rude.drips_headers, Verdict.RETRY),
    "endless headers": (rude.endless_headers, Verdict.RETRY),
    "endless body": (rude.endless_body, Verdict.RETRY),
    "cut body": (rude.cut_body, Verdict.RETRY),
    "not HTTP": (rude.not_http, Verdict.RETRY),
    "zip bomb": (rude.zip_bomb, Verdict.RETRY),
}


def notice(level: int = 2) -> Notice:
    desk = Desk()
    desk.say(change(level, 10))
    return desk.notices[-1]


def delivery(contact: Contact | None = OFFICER, **more: Any) -> Delivery:
    return Delivery(notice=notice(), contact=contact, at_ns=time.time_ns(), **more)


def config(kind: str, folder: Path, **values: Any) -> ChannelConfig:
    """The first example of a kind with secrets that exist, and `values` in place of the example's."""
    table = tomllib.loads(kinds()[kind].examples[0].toml)["channel"][0]
    secret = folder / "secret"
    secret.write_text(SECRET + "\n")
    if "secret_file" in table:
        table["secret_file"] = str(secret)
    if "secret_files" in table:
        table["secret_files"] = dict.fromkeys(table["secret_files"], str(secret))
    (made,), problems = read_channels([table | values])
    assert not problems
    return made


def opened(kind: str, folder: Path, **values: Any) -> OpenChannel:
    return open_channel(config(kind, folder, **values), Context("http://console.example/"))


every_kind = pytest.mark.parametrize("kind", kinds().values(), ids=kinds())
http_kind = pytest.mark.parametrize("kind", ["webhook", "http"])


@every_kind
def test_a_kind_documents_itself_and_its_examples_are_sound(kind: ChannelKind) -> None:
    assert kind.examples
    assert kind.documentation
    assert kind.title.zh
    assert kind.title.en
    for example in kind.examples:
        (table,) = tomllib.loads(example.toml)["channel"]
        configs, problems = read_channels([table])
        assert not problems, example.title.en
        assert isinstance(configs[0], kind.config)


@every_kind
async def test_a_channel_shows_no_secret_and_closes_twice(kind: ChannelKind, tmp_path: Path) -> None:
    channel = opened(kind.kind, tmp_path)
    shown = repr(channel) + str(channel) + repr(config(kind.kind, tmp_path))
    assert SECRET not in shown
    await channel.close()
    await channel.close()


@every_kind
def test_unknown_keys_are_refused(kind: ChannelKind, tmp_path: Path) -> None:
    _, problems = read_channels([{"name": "x", "kind": kind.kind, "no_such_key": 1}])
    assert len(problems) == 1


def test_all_problems_of_all_channels_are_told_at_once() -> None:
    _, problems = read_channels(
        [
            {"name": "a", "kind": "pigeon"},
            {"name": "b", "kind": "webhook", "url": "ftp://x", "deadline_s": 0.0},
            {
                "name": "c",
                "kind": "http",
                "url": "http://{what}.example/",
                "body": '{"a": "{wat}"',
                "method": "BREW",
                "charset": "big5",
                "headers": {"X Y": "1"},
            },
            {"name": "c", "kind": "console_log"},
        ]
    )
    assert [problem.path for problem in problems] == [
        "channel[a].kind",
        "channel[b].deadline_s",
        "channel[b].url",
        "channel[b].secret_file",
        "channel[c].url",
        "channel[c].charset",
        "channel[c].body",
        "channel[c].method",
        "channel[c].headers.X Y",
        "channel[c].name",
    ]


@http_kind
@pytest.mark.parametrize("name", FAILURES)
async def test_misbehaving_receivers_end_in_a_verdict_within_the_deadline(
    kind: str, name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    behave, expected = FAILURES[name]
    with caplog.at_level(logging.DEBUG):
        async with rude.serving(behave) as port:
            channel = opened(kind, tmp_path, url=f"http://127.0.0.1:{port}/hook", deadline_s=DEADLINE_S)
            began = time.monotonic()
            sent = await channel.send(delivery())
            took = time.monotonic() - began
            await channel.close()
    assert sent.verdict is expected, sent
    assert took < DEADLINE_S + 5
    assert sent.detail
    assert len(sent.detail) < 400
    assert SECRET not in sent.detail + caplog.text
    assert OFFICER.phone not in sent.detail + caplog.text


@http_kind
async def test_a_closed_port_is_told_as_such(kind: str, tmp_path: Path) -> None:
    channel = opened(kind, tmp_path, url=f"http://127.0.0.1:{free_port()}/")
    sent = await channel.send(delivery())
    await channel.close()
    assert sent.verdict is Verdict.RETRY
    assert "refused" in sent.detail.lower()


@http_kind
async def test_success_is_any_2xx(kind: str, tmp_path: Path, webhook_sink: WebhookSink) -> None:
    channel = opened(kind, tmp_path, url=webhook_sink.url("/x"), **({"accept": {}} if kind == "http" else {}))
    webhook_sink.behave("/x", answer(200), answer(202), answer(204))
    sent = [await channel.send(delivery()) for _ in range(3)]
    await channel.close()
    assert [s.verdict for s in sent] == [Verdict.ACCEPTED] * 3


async def test_the_public_library_verifies_our_signature(tmp_path: Path, webhook_sink: WebhookSink) -> None:
    (tmp_path / "old").write_text(OLD_SECRET)
    channel = opened("webhook", tmp_path, url=webhook_sink.url(), previous_secret_file=str(tmp_path / "old"))
    message = delivery()
    assert (await channel.send(message)).accepted
    await channel.close()
    (received,) = webhook_sink.requests
    for secret in (SECRET, OLD_SECRET):
        body = Verifier(secret).verify(received.body, dict(received.headers))
        assert body["type"] == "hazwatch.alarm.raise"
        assert body["data"]["alarm"]["value"] == 45.0
        assert "45 ppm" in body["data"]["title"]["zh"]
    assert received.headers["webhook-id"] == message.notice.id
    with pytest.raises(Exception, match="No matching signature"):
        Verifier(SECRET).verify(received.body + b" ", dict(received.headers))


@pytest.fixture
def own_ca(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that only its holder trusts, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    name = ["-subj", "/CN=duty", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([openssl, "req", *kind, *name, *files], check=True, capture_output=True, timeout=60)
    return certificate, key


@http_kind
async def test_a_private_certificate_is_trusted_only_where_it_is_named(
    kind: str, tmp_path: Path, own_ca: tuple[Path, Path]
) -> None:
    async def accept(request: web.Request) -> web.Response:
        return web.Response(text='{"code": 0}')

    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*own_ca)
    app = web.Application()
    app.router.add_post("/", accept)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
    verdicts = []
    for more in ({}, {"ca_file": str(own_ca[0])}):
        channel = opened(kind, tmp_path, url=f"https://127.0.0.1:{port}/", **more)
        sent = await channel.send(delivery())
        await channel.close()
        verdicts.append(sent.verdict)
        assert sent.accepted or "certificate is not trusted" in sent.detail
    await runner.cleanup()
    assert verdicts == [Verdict.RETRY, Verdict.ACCEPTED]
    with pytest.raises(ValueError, match="holds no certificates"):
        opened(kind, tmp_path, ca_file=str(tmp_path / "none.pem"))


async def test_a_secret_is_rotated_without_a_restart(tmp_path: Path, webhook_sink: WebhookSink) -> None:
    channel = opened("webhook", tmp_path, url=webhook_sink.url())
    (tmp_path / "secret").write_text(OLD_SECRET)
    await channel.send(delivery())
    (tmp_path / "secret").unlink()
    await channel.send(delivery())
    await channel.close()
    for received in webhook_sink.requests:
        Verifier(OLD_SECRET).verify(received.body, dict(received.headers))


def test_a_missing_or_weak_secret_is_refused_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not set"):
        opened("webhook", tmp_path, secret_file="", secret_env="HAZWATCH_TEST_NO_SUCH")
    weak = config("webhook", tmp_path)
    (tmp_path / "secret").write_text("whsec_YWJj")
    with pytest.raises(ValueError, match="openssl rand") as caught:
        open_channel(weak, Context())
    assert "YWJj" not in str(caught.value)


async def test_an_sms_gateway_gets_a_form_in_its_charset(tmp_path: Path, webhook_sink: WebhookSink) -> None:
    webhook_sink.always("/hook", answer(200, '{"code": 0}'))
    channel = opened("http", tmp_path, url=webhook_sink.url(), charset="gbk")
    assert (await channel.send(delivery())).accepted
    await channel.close()
    (received,) = webhook_sink.requests
    assert received.headers["content-type"] == "application/x-www-form-urlencoded; charset=gbk"
    form = parse_qs(received.body.decode("ascii"), encoding="gbk")
    assert form["mobile"] == [OFFICER.phone]
    assert form["account"] == [SECRET]
    assert form["content"][0].startswith("【红色1级】报警：1号炉一氧化碳高，45 ppm（高高限 40 ppm）")


async def test_a_robot_that_answers_200_with_an_error_has_not_accepted(
    tmp_path: Path, webhook_sink: WebhookSink
) -> None:
    webhook_sink.behave(
        "/hook", answer(200, f'{{"errcode": 310000, "errmsg": "bad token {SECRET}"}}'), answer(200, "?")
    )
    webhook_sink.always("/hook", answer(200, '{"errcode": 0}'))
    body = '{"text": {"content": "{message}"}, "tier": {tier}}'
    channel = opened(
        "http", tmp_path, url=webhook_sink.url(), content_type="application/json", body=body, accept={"errcode": 0}
    )
    sent = [await channel.send(delivery(contact=None)) for _ in range(3)]
    await channel.close()
    assert [s.verdict for s in sent] == [Verdict.REFUSED, Verdict.REFUSED, Verdict.ACCEPTED]
    assert "310000" in sent[0].detail
    assert SECRET not in sent[0].detail
    assert json.loads(webhook_sink.requests[0].body)["tier"] == 1


@pytest.mark.parametrize("content_type", ["application/json", "application/xml", "text/plain"])
async def test_values_cannot_break_out_of_their_template(
    content_type: str, tmp_path: Path, webhook_sink: WebhookSink
) -> None:
    nasty = Contact(id="x", name='"}]]<a>&\r\nX-Evil: 1\x00', phone="1&admin=1#/../?")
    templates = {
        "application/json": '{"n": "{name}", "p": "{phone}"}',
        "application/xml": "<m n='{name}'>{phone}</m>",
        "text/plain": "{name}|{phone}",
    }
    channel = opened(
        "http",
        tmp_path,
        url=webhook_sink.url("/send/{phone}?to={phone}&x=1"),
        headers={"X-Name": "{name}"},
        content_type=content_type,
        body=templates[content_type],
        accept={},
    )
    sent = await channel.send(delivery(contact=nasty))
    await channel.close()
    assert sent.accepted, sent
    (received,) = webhook_sink.requests
    assert "X-Evil" not in received.headers
    assert received.path == f"/send/{nasty.phone}"
    if content_type == "application/json":
        assert json.loads(received.body) == {"n": nasty.name, "p": nasty.phone}
    elif content_type == "application/xml":
        assert received.body.count(b"<") == 2


async def test_a_contact_without_a_phone_is_told_not_sent(tmp_path: Path, webhook_sink: WebhookSink) -> None:
    channel = opened("http", tmp_path, url=webhook_sink.url())
    sent = await channel.send(delivery(contact=Contact(id="officer")))
    await channel.close()
    assert (sent.verdict, sent.detail) == (Verdict.REFUSED, "officer has no phone number")
    assert not webhook_sink.requests


async def test_console_log_writes_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    channel = opened("console_log", tmp_path)
    assert (await channel.send(delivery(contact=None))).accepted
    (record,) = caplog.records
    assert record.getMessage().startswith(
        "[RED tier 1] ALARM: CO at furnace 1 is high, 45 ppm (high-high limit 40 ppm)"
    )
    assert "\n" not in record.getMessage()


REFUSED_URLS = [
    "ftp://example.cn/",
    "//example.cn/",
    "http:///x",
    "http://user@example.cn/",
    "http://user:pw@example.cn/",
    "http://@example.cn/",
    "http://169.254.169.254/latest",
    "http://[fe80::1]/",
    "http://0.0.0.0/",
    "http://[::]/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://[::ffff:169.254.169.254]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://100.100.100.200/",
    "http://[fd00:ec2::254]/",
    "http://168.63.129.16/",
    "http://127.0.0.2/",
    "http://[::ffff:127.0.0.1]/",
    "http://１２７.0.0.1/",
    "http://127。0。0。1/",
    "http://example.cn:5432/",
    "http://example.cn:1883/",
    "http://localhost:9092/",
    "http://example.cn\\@evil/",
    "http://240.0.0.1/",
    "http://[::7f00:1]/",
    "http://example.cn:port/",
    "http://example.cn:99999/",
    "mailto:a@b",
    "http://[::1%25lo]/",
    "http://例子.cn/",
]
ALLOWED_URLS = [
    "http://example.cn/",
    "https://example.cn:8443/x?y=1",
    "http://10.1.2.3/",
    "http://192.168.0.9:8080/",
    "http://127.0.0.1:8000/",
    "http://localhost:8000/",
    "http://[::1]:8000/",
    "http://[fd12::1]/",
]
STRANGE_NAMES = [
    ("127.0.0.1", "2130706433"),
    ("127.0.0.1", "0x7f.1"),
    ("127.0.0.1", "localhost."),
    ("127.0.0.1", "rebound.example.cn"),
    ("::1", "rebound.example.cn"),
    ("::ffff:127.0.0.1", "rebound.example.cn"),
    ("169.254.169.254", "localhost"),
    ("fe80::1%eth0", "printer.local"),
    ("0.0.0.0", "zero.example.cn"),
    ("::", "zero.example.cn"),
]


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_a_url_out_of_bounds_is_refused(url: str) -> None:
    with pytest.raises(DestinationRefused):
        check_url(url)


@pytest.mark.parametrize("url", ALLOWED_URLS)
def test_addresses_of_a_park_are_legitimate(url: str) -> None:
    assert str(check_url(url)).startswith("http")


@pytest.mark.parametrize(("address", "host"), STRANGE_NAMES)
def test_a_name_may_not_lead_out_of_bounds(address: str, host: str) -> None:
    with pytest.raises(DestinationRefused):
        check_address(address, host)


async def test_the_connection_goes_to_the_checked_address(webhook_sink: WebhookSink) -> None:
    """A name server that answers differently the second time is asked once; one bad answer among good spoils all."""
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["10.255.255.1", "127.0.0.1"] if len(asked) == 1 else ["127.0.0.1"]

    outbound = Outbound(concurrency=1, lookup=rebinding)
    url = check_url(f"http://rebound.example.cn:{webhook_sink.port}/")
    for _ in range(2):
        with pytest.raises(OutboundFailed, match="leads to this machine"):
            await outbound.request("POST", url, {}, b"x", deadline_s=2, want_body=False)
    await outbound.close()
    assert asked == ["rebound.example.cn"] * 2
    assert not webhook_sink.requests


async def test_a_name_server_that_hangs_ends_by_the_deadline() -> None:
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hanging(host: str, port: int) -> list[str]:
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result()
        return []

    outbound = Outbound(concurrency=1, lookup=hanging)
    with pytest.raises(OutboundFailed, match="no answer within"):
        await outbound.request("GET", check_url("http://x.example.cn/"), {}, b"", deadline_s=0.2, want_body=False)
    release.set()
    await outbound.close()


def test_sent_says_whether_it_was_accepted() -> None:
    assert Sent(verdict=Verdict.ACCEPTED).accepted
    assert not Sent(verdict=Verdict.GONE).accepted


def test_the_fixture_is_a_tier_1_alarm() -> None:
    assert (notice().tier, notice().due_ns) == (1, START)
