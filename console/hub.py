"""The screens: frames are encoded once per view and shared; a slow screen is held back, never the others.

Telemetry is conflated to a few frames a second, alarm changes go out at once and are never dropped: a screen that
cannot follow gets a snapshot instead, which replaces everything it had.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections import deque
from typing import Literal

import numpy as np
import numpy.typing as npt

from console.config import ConsoleConfig
from console.live import Live
from console.ports import Clock, Meter
from console.wire import VERSION, Beat, Delta, Hello, Limits, Snap, Values, to_text
from schemas.time import MS, SECOND

View = Literal["desk", "alarms"]
VIEWS: tuple[View, ...] = ("desk", "alarms")
BEAT_S = 0.5
ALARM_PACE_S = 0.02
HOLD_NS = 6 * SECOND
OUTBOX_FRAMES = 64
OUTBOX_CHARS = 16 << 20


class Screen:
    """One connected page: what waits to be sent to it, and how far it says that it has drawn."""

    def __init__(self, view: View, session: str, now_ns: int) -> None:
        self.view = view
        self.session = session
        self.wants_snapshot = True
        self.acked_ns = now_ns
        self.waiting_since_ns = 0
        self.held = False
        self.close_code = 0
        self.sound = ""
        self.fps = 0.0
        self._outbox: deque[str] = deque()
        self._chars = 0
        self._wake = asyncio.Event()

    def put(self, text: str) -> None:
        """Queue a frame; past the bound everything queued gives way to a snapshot."""
        if self._chars + len(text) > OUTBOX_CHARS or len(self._outbox) >= OUTBOX_FRAMES:
            self.clear()
            self.wants_snapshot = True
        else:
            self._outbox.append(text)
            self._chars += len(text)
        self._wake.set()

    def clear(self) -> None:
        self._outbox.clear()
        self._chars = 0

    def close(self, code: int) -> None:
        """End this screen after what is being sent now."""
        self.close_code = code
        self._wake.set()

    def wake(self) -> None:
        self._wake.set()

    async def take(self) -> str | None:
        """The next frame; None when a snapshot is due or the screen is to be closed."""
        while True:
            if self.close_code:
                return None
            if self.wants_snapshot and not self.held:
                return None
            if self._outbox and not self.held:
                text = self._outbox.popleft()
                self._chars -= len(text)
                return text
            self._wake.clear()
            await self._wake.wait()


class _Stream:
    """The numbered frames of one view, the same for all its screens."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.seq = 0
        self.screens: set[Screen] = set()
        self._snapshot: tuple[int, int, str] = (-1, 0, "")

    def snapshot(self, hub: Hub) -> str:
        """The snapshot at the present `seq`, encoded once for all who ask within half a second."""
        now = hub.clock.now_ns()
        seq, made_ns, text = self._snapshot
        if seq != self.seq or now - made_ns > SECOND // 2:
            text = hub.encode_snapshot(self.view, self.seq)
            self._snapshot = self.seq, now, text
        return text

    def send(self, text: str) -> int:
        """Queue a frame for every screen that keeps up; returns how many those are."""
        following = [screen for screen in self.screens if not screen.held and not screen.wants_snapshot]
        for screen in following:
            screen.put(text)
        return len(following)


class Uncounted:
    """A `Meter` that counts nothing."""

    def screens(self, count: int) -> None:
        return

    def frame(self, kind: str, screens: int) -> None:
        return


class Hub:
    """Turns the live state into frames. `run` sends them; `join`, `leave` and `snapshot` are called by the screens."""

    def __init__(self, config: ConsoleConfig, live: Live, clock: Clock, meter: Meter | None = None) -> None:
        self.clock = clock
        self.epoch = secrets.token_hex(8)
        self._config = config
        self._live = live
        self._meter = meter or Uncounted()
        self._streams = {view: _Stream(view) for view in VIEWS}
        self._alarms_changed = asyncio.Event()
        self._registry_changed = False
        live.on_alarms = self._alarms_changed.set
        live.on_registry = self._note_registry
        self._was_ready = False

    def _note_registry(self) -> None:
        self._registry_changed = True
        self._alarms_changed.set()

    @property
    def screens(self) -> list[Screen]:
        return [screen for stream in self._streams.values() for screen in stream.screens]

    def hello(self) -> str:
        limits = Limits(
            pipeline_stale=round(self._config.pipeline_stale_s * 1000),
            beat_stale=round(self._config.beat_stale_s * 1000),
        )
        return to_text(Hello(v=VERSION, epoch=self.epoch, now=self._now_ms(), hb=round(BEAT_S * 1000), limits=limits))

    def join(self, screen: Screen) -> None:
        self._streams[screen.view].screens.add(screen)
        self._meter.screens(len(self.screens))

    def leave(self, screen: Screen) -> None:
        for stream in self._streams.values():
            stream.screens.discard(screen)
        self._meter.screens(len(self.screens))

    def move(self, screen: Screen, view: View) -> None:
        """Subscribe a screen to another view: it starts over with that view's snapshot."""
        self.leave(screen)
        screen.view = view
        self.resync(screen)
        self.join(screen)

    def resync(self, screen: Screen) -> None:
        screen.clear()
        screen.wants_snapshot = True
        screen.wake()

    def acknowledged(self, screen: Screen) -> None:
        """A screen spoke. One that was held gets a snapshot and goes on."""
        screen.acked_ns = self.clock.monotonic_ns()
        if screen.held:
            screen.held = False
            self.resync(screen)

    def snapshot(self, screen: Screen) -> str:
        """The snapshot for a screen, from which on it gets every frame: nothing is awaited in between."""
        self._flush_alarms()
        screen.clear()
        screen.wants_snapshot = False
        self._meter.frame("snap", 1)
        return self._streams[screen.view].snapshot(self)

    def close_session(self, session: str, code: int) -> None:
        for screen in self.screens:
            if screen.session == session:
                screen.close(code)

    async def run(self) -> None:
        """Send frames, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._alarm_frames(), name="alarm frames")
            group.create_task(self._value_frames(), name="value frames")
            group.create_task(self._beats(), name="beats")

    async def _alarm_frames(self) -> None:
        while True:
            await self._alarms_changed.wait()
            self._alarms_changed.clear()
            self._flush_alarms()
            await asyncio.sleep(ALARM_PACE_S)

    async def _value_frames(self) -> None:
        while True:
            await asyncio.sleep(1 / self._config.telemetry_hz)
            rows = self._live.latest.take_dirty()
            stream = self._streams["desk"]
            if len(rows) and stream.screens:
                stream.seq += 1
                now = self._now_ms()
                text = to_text(Delta(epoch=self.epoch, seq=stream.seq, now=now, s=self._values(rows, now)))
                self._meter.frame("d", stream.send(text))
            elif len(rows):
                stream.seq += 1

    async def _beats(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            now_ns = self.clock.monotonic_ns()
            marks, now = self._live.marks.marks(), self._now_ms()
            for stream in self._streams.values():
                text = to_text(Beat(epoch=self.epoch, seq=stream.seq, now=now, wm=marks))
                for screen in stream.screens:
                    if not screen.held and now_ns - screen.acked_ns > HOLD_NS:
                        screen.held = True
                        screen.clear()
                self._meter.frame("hb", stream.send(text))

    def _flush_alarms(self) -> None:
        """Number and send what changed on the alarm list and in the registry, to every view."""
        live = self._live
        became_ready = live.ready and not self._was_ready
        if not (live.alarms.changed or self._registry_changed or became_ready):
            return
        if became_ready:
            self._was_ready = True
            for screen in self.screens:
                self.resync(screen)
        upserts, removed = live.alarms.take_changes()
        registry = live.registry.current.number if self._registry_changed else None
        self._registry_changed = False
        now = self._now_ms()
        for stream in self._streams.values():
            stream.seq += 1
            if stream.screens:
                frame = Delta(epoch=self.epoch, seq=stream.seq, now=now, registry=registry, a=upserts, x=removed)
                self._meter.frame("d", stream.send(to_text(frame)))

    def encode_snapshot(self, view: View, seq: int) -> str:
        live, now = self._live, self._now_ms()
        rows = np.arange(live.latest.count) if view == "desk" else None
        return to_text(
            Snap(
                epoch=self.epoch,
                seq=seq,
                now=now,
                wm=live.marks.marks(),
                registry=live.registry.current.number,
                a=[item.raw for item in live.alarms.listed.values()],
                s=None if rows is None else self._values(rows, now),
                ready=live.ready,
            )
        )

    def _values(self, rows: npt.NDArray[np.intp], now_ms: int) -> Values:
        latest = self._live.latest
        rows = rows[latest.at_ns[rows] > 0]
        return Values(
            i=latest.numbers[rows].tolist(),
            v=[_number(value) for value in latest.value[rows].tolist()],
            q=latest.quality[rows].tolist(),
            t=(now_ms - latest.at_ns[rows] // MS).tolist(),
        )

    def _now_ms(self) -> int:
        return self.clock.now_ns() // MS


def _number(value: float) -> float | None:
    """Six significant digits are more than any sensor has; what is not finite is no number on the wire."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
