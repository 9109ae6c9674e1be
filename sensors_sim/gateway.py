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
    """The gateway of one enterprise: `park/<enterprise>/gw1/up`, history on `.../backfill`."""

    enterprise: str
    instruments: list[Instrument]
    index: npt.NDArray[np.intp]
    boot_id: int
    seq: int = 0
    kept: deque[bytes] = field(default_factory=lambda: deque(maxlen=KEPT))

    def second(self, now_s: float, shown: Shown) -> list[Message]:
        """The messages of this second; none while it is offline."""
        here = self.index[self._due(now_s) & ~shown.missing[self.index]]
        if not len(here):
            return []
        if self.enterprise in shown.offline:
            if self.enterprise in shown.backfill:
                self.kept.append(self._payload(now_s, shown, here, numbered=False))
            return []
        out = [Message(f"park/{self.enterprise}/gw1/backfill", payload) for payload in self.kept]
        self.kept.clear()
        out.append(Message(f"park/{self.enterprise}/gw1/up", self._payload(now_s, shown, here, numbered=True)))
        return out

    def _due(self, now_s: float) -> npt.NDArray[np.bool_]:
        return np.array([round(now_s) % max(1, round(tag.period_s)) == 0 for tag in self.instruments])

    def _payload(self, now_s: float, shown: Shown, here: npt.NDArray[np.intp], *, numbered: bool) -> bytes:
        by_index = dict(zip(self.index.tolist(), self.instruments, strict=True))
        tags = [by_index[i] for i in here.tolist()]
        message: dict[str, object] = {"v": 1}
        if numbered:
            self.seq += 1
            message |= {"boot_id": self.boot_id, "seq": self.seq}
        message["time_ms"] = round(now_s * 1000)
        message["tags"] = [tag.name for tag in tags]
        message["values"] = [round(float(v), 6) for v in shown.value[here]]
        if shown.over_range[here].any():
            message["quality"] = [OVER_RANGE if over else 0 for over in shown.over_range[here]]
        message["units"] = [tag.unit for tag in tags]
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def gateways(instruments: list[Instrument], boot_id: int) -> list[Gateway]:
    """One gateway per enterprise, in the order of the tag list."""
    names = list(dict.fromkeys(tag.enterprise for tag in instruments))
    out = []
    for name in names:
        index = [i for i, tag in enumerate(instruments) if tag.enterprise == name]
        out.append(Gateway(name, [instruments[i] for i in index], np.array(index, np.intp), boot_id))
    return out
