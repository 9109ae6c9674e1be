"""What a gateway puts on the wire: a columnar JSON message a second, numbered without gaps, and what it kept. Pure."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sensors_sim.faults import Shown
from sensors_sim.taglist import Instrument

OVER_RANGE = 65
KEPT = 3600


@dataclass(frozen=True, slots=True)
class Message:
    """To be published with QoS 1."""

    topic: str
    payload: bytes


@dataclass(slots=True)
class Gateway:
    """The gateway of one enterprise: `park/<enterprise>/gw1/up`, history on `.../backfill`.

    `instruments` are those of the whole plant, `index` says which of them hang on this gateway, and `every_s` how often
    each of those reads. An hour of messages is kept while it is off line; what is older is lost.
    """

    enterprise: str
    instruments: list[Instrument]
    index: npt.NDArray[np.intp]
    every_s: npt.NDArray[np.float64]
    boot_id: int
    seq: int = 0
    kept: deque[bytes] = field(default_factory=lambda: deque(maxlen=KEPT))

    def second(self, now_s: float, shown: Shown) -> list[Message]:
        """The messages of this second; none while it is offline, many in a storm."""
        here = self.index[self._due(now_s) & ~shown.missing[self.index]]
        if not len(here):
            return []
        if self.enterprise in shown.offline:
            if self.enterprise in shown.backfill:
                self.kept.append(self._payload(now_s, shown, here, numbered=False))
            return []
        out = [Message(f"park/{self.enterprise}/gw1/backfill", payload) for payload in self.kept]
        self.kept.clear()
        copies = shown.copies.get(self.enterprise, 1)
        for number in range(copies):
            payload = self._payload(now_s + number / copies, shown, here, numbered=True)
            out.append(Message(f"park/{self.enterprise}/gw1/up", payload))
        return out

    def _due(self, now_s: float) -> npt.NDArray[np.bool_]:
        return np.asarray(np.round(now_s) % self.every_s == 0)

    def _payload(self, now_s: float, shown: Shown, here: npt.NDArray[np.intp], *, numbered: bool) -> bytes:
        tags = [self.instruments[i] for i in here.tolist()]
        message: dict[str, object] = {"v": 1}
        if numbered:
            self.seq += 1
            message |= {"boot_id": self.boot_id, "seq": self.seq}
        message["time_ms"] = round((now_s + shown.clock_s.get(self.enterprise, 0.0)) * 1000)
        message["tags"] = [tag.name for tag in tags]
        message["values"] = [round(float(v), 6) for v in shown.value[here]]
        if shown.over_range[here].any():
            message["quality"] = [OVER_RANGE if over else 0 for over in shown.over_range[here]]
        message["units"] = [tag.unit for tag in tags]
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def gateways(instruments: list[Instrument], boot_id: int) -> list[Gateway]:
    """One gateway per enterprise, in the order of the tag list."""
    index: dict[str, list[int]] = {}
    for i, tag in enumerate(instruments):
        index.setdefault(tag.enterprise, []).append(i)
    every_s = np.maximum(1.0, np.round([tag.period_s for tag in instruments]))
    return [Gateway(name, instruments, np.array(its), every_s[its], boot_id) for name, its in index.items()]
