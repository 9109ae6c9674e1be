"""A plant for tests of the console: it appends to a real embedded log what ingest, evaluator and alarm book would.

The little book here follows LAWS B1 for acknowledgements; everything else it is told by the test.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from eventlog.embedded.log import EmbeddedLog
from eventlog.port import LogUnavailable, NewRecord, topic_specs
from schemas.alarms import Alarm, Answer, Change, Command, Outcome, State, Transition
from schemas.batch import batch
from schemas.batch import encode as encode_batch
from schemas.causes import Cause, alarm_id, episode_id
from schemas.changes import AlarmClass, Guidance, Place, Side
from schemas.quality import Quality
from schemas.records import Activate, Kind, Link, Tick, decode, encode, kind_of
from schemas.registry import (
    Enterprise,
    Equipment,
    HazardSource,
    Limits,
    Measure,
    Park,
    Revision,
    Struct,
    Tag,
)
from schemas.text import Text
from schemas.time import MINUTE, SECOND

UNACKED = (State.UNACKNOWLEDGED, State.RETURNED_UNACKNOWLEDGED)
PARK = Park(id="demo", name=Text(zh="滨江化工园区", en="Riverside Chemical Park"))
ENTERPRISES = (
    Enterprise(id="metal", park="demo", name=Text(zh="宏远金属", en="Hongyuan Metal Works")),
    Enterprise(id="chlor", park="demo", name=Text(zh="江城氯碱", en="Jiangcheng Chlor-Alkali")),
    Enterprise(id="lpg", park="demo", name=Text(zh="华东液化气", en="Huadong LPG Terminal")),
)
SOURCES = (
    HazardSource(id="foundry", enterprise="metal", grade=3, name=Text(zh="铸造车间", en="Foundry")),
    HazardSource(id="chlorine-store", enterprise="chlor", grade=1, name=Text(zh="液氯库", en="Chlorine store")),
    HazardSource(id="tank-farm", enterprise="lpg", grade=2, name=Text(zh="球罐区", en="Sphere tank farm")),
)
EQUIPMENT = (
    Equipment(id="furnace-1", hazard_source="foundry", name=Text(zh="1 号炉", en="Furnace 1")),
    Equipment(id="furnace-2", hazard_source="foundry", name=Text(zh="2 号炉", en="Furnace 2")),
    Equipment(id="vaporiser-1", hazard_source="chlorine-store", name=Text(zh="1 号汽化器", en="Vaporiser 1")),
    Equipment(id="cylinder-bay", hazard_source="chlorine-store", name=Text(zh="钢瓶间", en="Cylinder bay")),
    Equipment(id="sphere-101", hazard_source="tank-farm", name=Text(zh="V-101 球罐", en="Sphere V-101")),
    Equipment(id="sphere-102", hazard_source="tank-farm", name=Text(zh="V-102 球罐", en="Sphere V-102")),
)
KINDS: dict[str, tuple[tuple[str, str, str, Measure, str, str, float, Limits], ...]] = {
    "foundry": (
        ("CO", "一氧化碳", "Carbon monoxide", Measure.GAS, "630-08-0", "ppm", 6.0, Limits(high=17.2, high_high=34.3)),
        ("TI", "炉壳温度", "Shell temperature", Measure.TEMPERATURE, "", "°C", 182.0, Limits(high=220, high_high=250)),
        ("PI", "煤气压力", "Gas pressure", Measure.PRESSURE, "", "kPa", 8.4, Limits(low_low=3, low=5, high=12)),
    ),
    "chlorine-store": (
        ("CL2", "氯气", "Chlorine", Measure.GAS, "7782-50-5", "ppm", 0.05, Limits(high=0.3, high_high=0.6)),
        ("PI", "汽化压力", "Vaporiser pressure", Measure.PRESSURE, "", "MPa", 0.62, Limits(high=0.8, high_high=0.9)),
        ("WI", "钢瓶称重", "Cylinder weight", Measure.OTHER, "", "kg", 864.0, Limits(low=120)),
    ),
    "tank-farm": (
        ("LEL", "可燃气体", "Flammable gas", Measure.GAS, "74-98-6", "%LEL", 1.2, Limits(high=25, high_high=50)),
        ("LI", "液位", "Level", Measure.LEVEL, "", "%", 63.0, Limits(low_low=5, low=10, high=85, high_high=90)),
        ("PI", "罐压", "Tank pressure", Measure.PRESSURE, "", "MPa", 0.79, Limits(high=1.5, high_high=1.6)),
        ("FI", "装车流量", "Loading flow", Measure.FLOW, "", "m³/h", 42.0, Limits(high=65)),
    ),
}
GUIDANCE = Guidance(
    cause=Text(
        zh="法兰或阀门填料泄漏；加料时炉口密封失效；风机停运。",
        en="Leak at a flange or valve packing; furnace mouth seal lost while charging; extract fan stopped.",
    ),
    consequence=Text(
        zh="人员在几分钟内中毒；浓度继续上升时有爆炸危险。",
        en="People are poisoned within minutes; explosion hazard if the concentration keeps rising.",
    ),
    action=Text(
        zh="1. 广播疏散铸造车间。\n2. 由两人佩戴空气呼吸器核实。\n3. 关闭煤气总阀 HV-101。\n4. 通知值班长和消防。",
        en="1. Evacuate the foundry by public address.\n2. Verify on site: two people with breathing apparatus.\n"
        "3. Close gas main valve HV-101.\n4. Inform the shift leader and the fire brigade.",
    ),
    response_s=300.0,
)


def tags(per_equipment: int = 2) -> tuple[Tag, ...]:
    """The tags of the demo plant: per equipment and kind `per_equipment` of them."""
    made: list[Tag] = []
    for equipment in EQUIPMENT:
        source = next(s for s in SOURCES if s.id == equipment.hazard_source)
        for kind, zh, en, measure, cas, unit, _, limits in KINDS[source.id]:
            for n in range(1, per_equipment + 1):
                number = len(made) + 1
                made.append(
                    Tag(
                        number=number,
                        name=f"{kind}-{number + 100}",
                        title=Text(zh=f"{equipment.name.zh}{zh} {n}", en=f"{equipment.name.en} {en.lower()} {n}"),
                        enterprise=source.enterprise,
                        hazard_source=source.id,
                        equipment=equipment.id,
                        measure=measure,
                        cas=cas,
                        unit=unit,
                        limits=limits,
                    )
                )
    return tuple(made)


def base_value(tag: Tag) -> float:
    """A healthy value of a demo tag."""
    kind = tag.name.rsplit("-", 1)[0]
    return next((k[6] for k in KINDS[tag.hazard_source] if k[0] == kind), 1.0)


class Plant:
    """The processes before the console, as far as a screen can tell."""

    def __init__(self, log: EmbeddedLog, revision: Revision) -> None:
        self.log = log
        self.revision = revision
        self.tags = {tag.number: tag for tag in revision.tags}
        self.alarms: dict[str, Alarm] = {}
        self.answering = asyncio.Event()
        self.answering.set()
        self.silent = False
        self.frozen_tags: set[int] = set()
        self.overrides: dict[int, tuple[float, Quality]] = {}
        self._onsets = 0
        self._random = random.Random(7)
        self._lock = asyncio.Lock()

    @classmethod
    async def open(cls, directory: Path, *, per_equipment: int = 2, more_tags: Sequence[Tag] = ()) -> Plant:
        log = await EmbeddedLog.open(directory, topic_specs(readings_partitions=2))
        revision = Revision(
            number=1,
            made_ns=time.time_ns(),
            parks=(PARK,),
            enterprises=ENTERPRISES,
            hazard_sources=SOURCES,
            equipment=EQUIPMENT,
            tags=(*tags(per_equipment), *more_tags),
        )
        plant = cls(log, revision)
        await plant.say("registry", revision)
        await log.append(
            "registry", 0, [NewRecord(b"", Kind.ACTIVATED, encode(Activate(revision=1, hash=""), kind=Kind.ACTIVATED))]
        )
        return plant

    async def say(self, topic: str, *payloads: Struct, partition: int = 0) -> int:
        """Append records; returns the offset of the last one."""
        records = [NewRecord(b"", kind_of(payload), encode(payload)) for payload in payloads]
        return (await self.log.append(topic, partition, records))[-1].offset

    async def run(self) -> None:
        """Live for ever: values every second, ticks, links, and answers to commands."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beats())
            group.create_task(self._answers())

    async def fill(self, minutes: float) -> None:
        """Values of the last minutes, at one per second, as if the plant had been running."""
        now = time.time_ns()
        for second in range(int(minutes * 60), 0, -1):
            await self._values(now - second * SECOND)

    async def _beats(self) -> None:
        while True:
            if not self.silent:
                for partition in range(2):
                    await self.say(
                        "readings", Tick(by="t/evaluate/0"), Link(name="ingest", up=True), partition=partition
                    )
                await self.say("events", Tick(by="t/evaluate/0"), Tick(by="t/evaluate/1"), Tick(by="t/book/0"))
                await self._values(time.time_ns())
            await asyncio.sleep(1)

    async def _values(self, at_ns: int) -> None:
        for partition in range(2):
            chosen = [t for n, t in self.tags.items() if n % 2 == partition and n not in self.frozen_tags]
            seconds = at_ns / SECOND
            value, quality = [], []
            for tag in chosen:
                base = base_value(tag)
                wave = 1 + 0.04 * math.sin(seconds / 47 + tag.number) + 0.01 * math.sin(seconds / 5.3 + 2 * tag.number)
                number, good = self.overrides.get(
                    tag.number, (base * wave + self._random.gauss(0, base / 250), Quality.GOOD)
                )
                value.append(number)
                quality.append(int(good))
            data = encode_batch(
                batch([t.number for t in chosen], np.full(len(chosen), at_ns - at_ns % 1_000_000), value, quality)
            )
            await self.log.append("readings", partition, [NewRecord(b"", Kind.READINGS, data)])

    async def _answers(self) -> None:
        position = (await self.log.bounds("events", 0)).start
        while True:
            try:
                records = await self.log.read("events", 0, position, wait_s=1)
            except LogUnavailable:
                return
            for record in records:
                position = record.offset + 1
                if record.kind == Kind.COMMAND:
                    await self.answering.wait()
                    command = decode(record.kind, record.value)
                    assert isinstance(command, Command)
                    await self._answer(command, record.offset, record.append_ns)

    async def _answer(self, command: Command, offset: int, at_ns: int) -> None:
        alarm = self.alarms.get(command.alarm)
        if alarm is None:
            outcome, reason = Outcome.UNKNOWN, Text(zh="没有此报警", en="there is no such alarm")
        elif alarm.episode != command.episode or alarm.revision > command.revision:
            outcome, reason = Outcome.STALE, Text(zh="报警已升级", en="the alarm has risen since")
        elif alarm.state not in UNACKED:
            outcome, reason = Outcome.REFUSED, Text(zh="已确认", en="already acknowledged")
        else:
            outcome, reason = Outcome.APPLIED, Text(zh="已确认", en="acknowledged")
            returned = alarm.state is State.RETURNED_UNACKNOWLEDGED
            alarm = await self._change(
                alarm,
                Change.ACKNOWLEDGE,
                at_ns=at_ns,
                offset=offset,
                actor=command.actor,
                command=command.id,
                state=State.NORMAL if returned else State.ACKNOWLEDGED,
                acknowledged_ns=at_ns,
                acknowledged_by=command.actor,
                comment=command.comment,
            )
        answer = Answer(
            command=command.id,
            outcome=outcome,
            reason=reason,
            alarm=command.alarm,
            episode=command.episode,
            revision=alarm.revision if alarm else 0,
            at_ns=at_ns,
        )
        await self.say("alarms", answer)

    async def raise_alarm(
        self,
        tag: int = 1,
        *,
        tier: int = 1,
        level_name: str = "high_high",
        value: float | None = None,
        age_s: float = 0.0,
        alarm_class: AlarmClass = AlarmClass.PROCESS,
        rule: str = "limits",
        subject: str = "",
        unit: str = "",
    ) -> Alarm:
        """A new episode over a tag; with a `unit` of something else than its readings."""
        alarm = self.make_alarm(
            tag, tier, level_name, value, age_s=age_s, alarm_class=alarm_class, rule=rule, subject=subject
        )
        alarm = replace(alarm, unit=unit or alarm.unit)
        await self._publish(alarm, Change.RAISE, State.NORMAL, 0)
        return alarm

    def make_alarm(
        self,
        tag: int,
        tier: int,
        level_name: str,
        value: float | None,
        *,
        age_s: float = 0.0,
        alarm_class: AlarmClass = AlarmClass.PROCESS,
        rule: str = "limits",
        subject: str = "",
    ) -> Alarm:
        known = self.tags.get(tag)
        self._onsets += 1
        cause = Cause(1, self._onsets, 0)
        name = subject or (known.name if known else f"tag-{tag}")
        side = Side.FAULT if rule != "limits" else Side.LOW if level_name.startswith("low") else Side.HIGH
        at_ns = time.time_ns() - round(age_s * SECOND)
        limit = getattr(known.limits, level_name, None) if known else None
        if value is None and limit is not None:
            value = limit * (1.12 if side is Side.HIGH else 0.9)
        names = {
            "high": ("高", "high"),
            "high_high": ("高高", "high-high"),
            "low": ("低", "low"),
            "low_low": ("低低", "low-low"),
        }
        zh, en = names.get(
            level_name,
            (
                {"stale": "无数据", "quality": "数据不可信"}.get(rule, rule),
                {"stale": "no data", "quality": "bad data"}.get(rule, rule),
            ),
        )
        title = known.title if known else Text(zh=name, en=name)
        return Alarm(
            id=alarm_id(rule, name, side),
            episode=episode_id(rule, name, side, cause),
            revision=1,
            rule=rule,
            kind=rule,
            subject=name,
            side=side,
            alarm_class=alarm_class,
            state=State.UNACKNOWLEDGED,
            level=2 if level_name.endswith(("high_high", "low_low")) else 1,
            level_name=level_name,
            tier=tier,
            peak_level=2,
            peak_level_name=level_name,
            peak_tier=tier,
            tag=tag,
            value=value,
            peak_value=value,
            limit=limit,
            unit=known.unit if known else "",
            gas="CO" if known and known.cas == "630-08-0" else "",
            onset_ns=at_ns,
            raised_ns=at_ns,
            changed_ns=at_ns,
            text=Text(zh=f"{title.zh}{zh}", en=f"{title.en} {en}"),
            place=self._place(known),
            guidance=GUIDANCE,
            onset_cause=cause,
        )

    def _place(self, tag: Tag | None) -> Place:
        if tag is None:
            return Place(park="demo", park_name=PARK.name)
        source = next(s for s in SOURCES if s.id == tag.hazard_source)
        return Place(
            park="demo",
            park_name=PARK.name,
            enterprise=tag.enterprise,
            enterprise_name=next(e.name for e in ENTERPRISES if e.id == tag.enterprise),
            hazard_source=source.id,
            hazard_source_name=source.name,
            equipment=tag.equipment,
            equipment_name=next(e.name for e in EQUIPMENT if e.id == tag.equipment),
            tag_title=tag.title,
            grade=source.grade,
        )

    async def rise(self, alarm: Alarm, tier: int = 1, level_name: str = "high_high") -> Alarm:
        return await self._change(
            alarm, Change.RISE, state=State.UNACKNOWLEDGED, tier=tier, peak_tier=tier, level_name=level_name
        )

    async def clear(self, alarm: Alarm) -> Alarm:
        """The condition is normal again: off the list if it was acknowledged."""
        alarm = self.alarms[alarm.id]
        acked = alarm.state is State.ACKNOWLEDGED
        return await self._change(
            alarm,
            Change.RETURN,
            state=State.NORMAL if acked else State.RETURNED_UNACKNOWLEDGED,
            level=0,
            level_name="normal",
            tier=0,
            returned_ns=time.time_ns(),
        )

    async def acknowledge(self, alarm: Alarm, actor: str = "wang", age_s: float = 0.0) -> Alarm:
        at_ns = time.time_ns() - round(age_s * SECOND)
        return await self._change(
            alarm, Change.ACKNOWLEDGE, state=State.ACKNOWLEDGED, acknowledged_by=actor, acknowledged_ns=at_ns
        )

    async def _change(
        self,
        alarm: Alarm,
        change: Change,
        *,
        at_ns: int = 0,
        offset: int = 0,
        actor: str = "",
        command: str = "",
        **fields: object,
    ) -> Alarm:
        before = self.alarms.get(alarm.id, alarm)
        after = replace(before, revision=before.revision + 1, changed_ns=at_ns or time.time_ns(), **fields)
        await self._publish(after, change, before.state, before.tier, offset=offset, actor=actor, command=command)
        return after

    async def _publish(
        self,
        alarm: Alarm,
        change: Change,
        state: State,
        tier: int,
        *,
        offset: int = 0,
        actor: str = "",
        command: str = "",
    ) -> None:
        self.alarms[alarm.id] = alarm
        await self.say("alarms", self.transition(alarm, change, state, tier, offset, actor, command))

    @staticmethod
    def transition(
        alarm: Alarm,
        change: Change = Change.RAISE,
        state: State = State.NORMAL,
        tier: int = 0,
        offset: int = 0,
        actor: str = "",
        command: str = "",
    ) -> Transition:
        return Transition(
            change=change,
            alarm=alarm,
            previous_state=state,
            previous_tier=tier,
            at_ns=alarm.changed_ns,
            actor=actor,
            command=command,
            offset=offset,
        )

    async def flood(self, count: int) -> list[Alarm]:
        """Many alarms of all tiers and states, in one go; the same for the same plant."""
        dice, alarms = random.Random(count), []
        tags_of = list(self.tags)
        for n in range(count):
            tag = tags_of[n % len(tags_of)]
            level = dice.choice(["high", "high_high"])
            subject = self.tags[tag].name if n < len(tags_of) else f"{self.tags[tag].name}.{n // len(tags_of)}"
            kind = dice.choice(["limits", "limits", "limits", "stale", "quality"])
            alarm = self.make_alarm(
                tag,
                dice.choice([1, 2, 2, 3, 3, 3, 4, 4]) if kind == "limits" else dice.choice([3, 4]),
                level if kind == "limits" else kind,
                None,
                age_s=dice.expovariate(1 / 900),
                rule=kind,
                subject=subject,
                alarm_class=AlarmClass.PROCESS if kind == "limits" else AlarmClass.INSTRUMENT,
            )
            state = dice.choice(
                [State.UNACKNOWLEDGED, State.ACKNOWLEDGED, State.ACKNOWLEDGED, State.RETURNED_UNACKNOWLEDGED]
            )
            if state is State.ACKNOWLEDGED:
                alarm = replace(
                    alarm,
                    acknowledged_ns=min(time.time_ns(), alarm.raised_ns + MINUTE),
                    acknowledged_by=dice.choice(["wang", "li.na", "admin"]),
                )
            elif state is State.RETURNED_UNACKNOWLEDGED:
                alarm = replace(alarm, level=0, tier=0, returned_ns=min(time.time_ns(), alarm.raised_ns + 2 * MINUTE))
            alarms.append(replace(alarm, state=state))
            self.alarms[alarm.id] = alarms[-1]
        for start in range(0, count, 200):
            await self.say("alarms", *(self.transition(alarm) for alarm in alarms[start : start + 200]))
        return alarms
