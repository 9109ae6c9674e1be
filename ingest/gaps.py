"""Gaps in what gateways send: a gapless `seq` that jumps means that messages were lost. Pure.

Only a jump within one boot counts; the first number after a start (theirs or ours) is taken as it is. A number that
comes later, from the gateway's own buffer, closes its gap again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.time import MINUTE, SECOND

GRACE = 5 * SECOND
"""So long a missing number may still come by itself (a redelivery) before anything is said."""

REMEMBERED = 10 * MINUTE
"""After this the loss is history: nobody will bring it any more."""

_GATEWAYS = 10_000
_RANGES = 100
_SEQ = (1 << 32) - 1


class Range(NamedTuple):
    """Numbers `first` to `last` of one boot that did not come."""

    boot: int
    first: int
    last: int
    since_ns: int

    @property
    def messages(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Loss:
    """What a source lacks: how many messages, since when, and the newest gap as an example."""

    messages: int
    since_ns: int
    gateway: str
    example: Range


@dataclass(slots=True)
class _Stream:
    source: str
    boot: int
    expected: int
    missing: list[Range] = field(default_factory=list)


class Gaps:
    """The numbers of all gateways. The memory is bounded: 10 000 gateways, 100 gaps each, the oldest go first."""

    def __init__(self) -> None:
        self._streams: dict[str, _Stream] = {}

    def seen(self, gateway: str, source: str, sequence: int, now_ns: int) -> None:
        """A message came with `boot_id << 32 | seq`; 0 says that it has no number."""
        if not sequence:
            return
        boot, seq = sequence >> 32, sequence & _SEQ
        stream = self._streams.get(gateway)
        if stream is None:
            if len(self._streams) >= _GATEWAYS:
                del self._streams[next(iter(self._streams))]
            self._streams[gateway] = _Stream(source, boot, seq + 1)
        elif boot == stream.boot and seq == stream.expected:
            stream.expected += 1
        elif boot > stream.boot:
            stream.boot, stream.expected = boot, seq + 1
        elif boot == stream.boot and seq > stream.expected:
            stream.missing.append(Range(boot, stream.expected, seq - 1, now_ns))
            del stream.missing[:-_RANGES]
            stream.expected = seq + 1
        elif stream.missing:
            stream.missing = [rest for gap in stream.missing for rest in _without(gap, boot, seq)]

    def losses(self, now_ns: int) -> dict[str, Loss]:
        """What is missing by source, neither too young to be sure of nor too old to matter."""
        found: dict[str, Loss] = {}
        for gateway, stream in self._streams.items():
            if not stream.missing:
                continue
            stream.missing = [gap for gap in stream.missing if now_ns - gap.since_ns < REMEMBERED]
            sure = [gap for gap in stream.missing if now_ns - gap.since_ns >= GRACE]
            if sure:
                known = found.get(stream.source)
                messages = sum(gap.messages for gap in sure) + (known.messages if known else 0)
                since = min(sure[0].since_ns, known.since_ns) if known else sure[0].since_ns
                found[stream.source] = Loss(messages, since, gateway, sure[-1])
        return found


def _without(gap: Range, boot: int, seq: int) -> list[Range]:
    """What is left of the gap when this number has come."""
    if gap.boot != boot or not gap.first <= seq <= gap.last:
        return [gap]
    rest = [gap._replace(last=seq - 1), gap._replace(first=seq + 1)]
    return [one for one in rest if one.first <= one.last]
