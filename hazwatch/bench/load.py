"""The load: a process of its own that publishes like a park of gateways, and keeps account of what it published.

    python -m hazwatch.bench.load LOAD.json RESULT.json

It says `ready` when it is connected, begins at a line on its standard input, says `published` at the end of the
measured time and `done` when all is acknowledged and its account is made; then it waits to be ended. It knows the
broker and nothing of what stands behind it.
"""

from __future__ import annotations

import contextlib
import gc
import select
import sys
import time
from pathlib import Path

import msgspec

from hazwatch.bench.ledger import Account
from hazwatch.bench.mqtt import Publisher, encoded_topic
from hazwatch.bench.plan import HOLD_S, VARIANTS, Load, normal_values, over_limit, tag_name

MS = 1_000_000
TICK_MS = 2
ACK_S = 30.0
BOOT = 1


class Raised(msgspec.Struct, frozen=True, array_like=True):
    """A reading over its limit: the tag's number, the reading's time, when it went to the broker, and whether it was
    in the measured time."""

    number: int
    time_ms: int
    sent_ns: int
    measured: bool


class LoadResult(msgspec.Struct, frozen=True):
    """What the load says of itself. `behind_ms` is how late a message went out, at worst, in the measured time."""

    messages: int
    readings: int
    measured_readings: int
    unacknowledged: int
    behind_ms: float
    blocked: int
    rows: int
    digest: str
    raised: list[Raised]


class Senders:
    """The payloads, in turn: batches of all tags of a gateway, or one tag alone."""

    def __init__(self, load: Load) -> None:
        tags = len(load.numbers)
        self._width = load.width
        self._values = normal_values(tags, load.seed)
        self.account = Account(load.numbers, self._values, load.width)
        self._names = [tag_name(i).encode() for i in range(tags)]
        self._texts = [[b"%r" % v for v in row] for row in self._values.tolist()]
        if load.shape == "batch":
            self.topics = [
                encoded_topic(b"bench/gateway/" + self._names[i * self._width][:4]) for i in range(load.senders)
            ]
            self._heads = [self._head(i) for i in range(load.senders)]
            self._bodies = [[b",".join(self._slice(v, i)) for v in range(VARIANTS)] for i in range(load.senders)]
        else:
            self.topics = [encoded_topic(b"bench/single/" + name) for name in self._names]
        self._last_ms = [0] * load.senders
        self._sequence = [0] * load.senders
        self.over: dict[int, dict[int, int]] = {}

    def _head(self, sender: int) -> bytes:
        first = sender * self._width
        names = b",".join(b'"%s"' % name for name in self._names[first : first + self._width])
        return b'{"v":1,"tags":[%s],"boot_id":%d,"time_ms":' % (names, BOOT)

    def _slice(self, variant: int, sender: int) -> list[bytes]:
        first = sender * self._width
        return self._texts[variant][first : first + self._width]

    def message(self, sender: int, now_ns: int) -> tuple[int, bytes]:
        """The time in the next message of a sender, and its payload."""
        time_ms = self._last_ms[sender] = max(now_ns // MS, self._last_ms[sender] + 1)
        sequence = self._sequence[sender] = self._sequence[sender] + 1
        variant = sequence % VARIANTS
        self.account.message(sender, time_ms, variant)
        over = self.over.get(sender)
        if self._width == 1:
            text = self._texts[variant][sender] if over is None else self._instead(sender, 0)
            return time_ms, b'{"ts":%d,"values":{"%s":%s}}' % (time_ms, self._names[sender], text)
        if over is None:
            body = self._bodies[sender][variant]
        else:
            texts = self._slice(variant, sender)
            for column in over:
                texts[column] = self._instead(sender, column)
            body = b",".join(texts)
        return time_ms, b'%s%d,"seq":%d,"values":[%s]}' % (self._heads[sender], time_ms, sequence, body)

    def _instead(self, sender: int, column: int) -> bytes:
        value = over_limit(sender * self._width + column)
        self.account.changed(column, value)
        return b"%r" % value


class Run:
    """Publishes at the rate of the plan, from `begin_ns` (monotonic) on."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._senders = Senders(load)
        self._publishers = [Publisher(load.port, f"bench-load-{i}") for i in range(load.connections)]
        self._poll = select.poll()
        for publisher in self._publishers:
            self._poll.register(publisher.socket, select.POLLIN)
        self._raised: list[Raised] = []
        self._behind_ns = 0
        self._blocked = 0
        self._measured_from = 0
        self._measured = 0

    def publish(self) -> None:
        """Until the end of the measured time."""
        load = self._load
        interval_ns = 1e9 / load.messages_per_s
        begin_ns = time.monotonic_ns()
        self._measured_from = begin_ns + round(load.warm_up_s * 1e9)
        end_ns = self._measured_from + round(load.seconds * 1e9)
        alarm_ns = 1e9 / load.alarms_per_s if load.alarms_per_s else 1e18
        sent = alarms = 0
        while (now_ns := time.monotonic_ns()) < end_ns:
            elapsed_ns = now_ns - begin_ns
            while alarms * alarm_ns <= elapsed_ns:
                self._raise(alarms, now_ns)
                alarms += 1
            due = int(elapsed_ns / interval_ns) + 1
            while sent < due and self._send(sent, begin_ns + round(sent * interval_ns)):
                sent += 1
            for publisher in self._publishers:
                if publisher.waiting:
                    publisher.flush()
            self._wait(begin_ns + round(sent * interval_ns))

    def _wait(self, until_ns: int) -> None:
        """Until the next message is due, but a tick at least; acknowledgements are read meanwhile."""
        left_ms = max(TICK_MS, (until_ns - time.monotonic_ns()) // MS)
        time.sleep(left_ms / 1000)
        for publisher in self._publishers:
            publisher.read_acknowledgements()

    def _send(self, message: int, due_ns: int) -> bool:
        sender = message % self._load.senders
        publisher = self._publishers[sender % len(self._publishers)]
        if not publisher.room:
            self._blocked += 1
            return False
        over = self._senders.over.get(sender)
        time_ms, payload = self._senders.message(sender, time.time_ns())
        now_ns = time.monotonic_ns()
        measured = now_ns >= self._measured_from
        if over is not None:
            self._note_over(sender, over, time_ms, now_ns, measured)
        publisher.publish(self._senders.topics[sender], payload)
        publisher.flush()
        if measured:
            self._measured += 1
            self._behind_ns = max(self._behind_ns, now_ns - due_ns)
        return True

    def _raise(self, alarm: int, now_ns: int) -> None:
        """Let the next tag go over its limit: the step is prime to any number of tags that is used."""
        tag = alarm * 7919 % len(self._load.numbers)
        sender, column = divmod(tag, self._load.width)
        until_ns = now_ns + round(HOLD_S * 1e9)
        # 0 stands for "not published yet"; from its first message on, the tag stays over for HOLD_S.
        self._senders.over.setdefault(sender, {}).setdefault(column, -until_ns)

    def _note_over(self, sender: int, over: dict[int, int], time_ms: int, now_ns: int, measured: bool) -> None:
        for column, until_ns in list(over.items()):
            if until_ns < 0:
                number = self._load.numbers[sender * self._load.width + column]
                self._raised.append(Raised(number, time_ms, time.time_ns(), measured))
                over[column] = -until_ns
            if over[column] <= now_ns:
                del over[column]
        if not over:
            del self._senders.over[sender]

    def finish(self) -> LoadResult:
        """Wait for the broker's acknowledgements, then make the account."""
        until = time.monotonic() + ACK_S
        while any(p.unacknowledged or p.waiting for p in self._publishers) and time.monotonic() < until:
            self._poll.poll(100)
            for publisher in self._publishers:
                publisher.flush()
                publisher.read_acknowledgements()
        unacknowledged = sum(p.unacknowledged for p in self._publishers)
        with contextlib.suppress(OSError):
            for publisher in self._publishers:
                publisher.close()
        account = self._senders.account
        ledger = account.ledger()
        return LoadResult(
            messages=account.messages,
            readings=account.readings,
            measured_readings=self._measured * self._load.width,
            unacknowledged=unacknowledged,
            behind_ms=self._behind_ns / MS,
            blocked=self._blocked,
            rows=ledger.rows,
            digest=f"{ledger.digest:016x}",
            raised=self._raised,
        )


def main(plan: Path, result: Path) -> None:
    load = msgspec.json.decode(plan.read_bytes(), type=Load)
    run = Run(load)
    gc.freeze()
    print("ready", flush=True)
    sys.stdin.readline()
    run.publish()
    print("published", flush=True)
    result.write_bytes(msgspec.json.encode(run.finish()))
    print("done", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
