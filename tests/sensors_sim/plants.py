"""The demo plant for tests: its messages as a gateway sends them, and the same as a recording for the two folds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice, takewhile
from pathlib import Path

import numpy as np

from hazwatch.config import load_config
from hazwatch.replay.feed import Instant
from hazwatch.replay.line import Line, line_of
from hazwatch.replay.runner import Replay
from schemas.batch import batch
from schemas.registry import Revision
from schemas.time import MS, SECOND
from sensors_sim.faults import Shown
from sensors_sim.gateway import Message, gateways
from sensors_sim.plant import Plant
from sensors_sim.scenario import Scenario, load, plant_of, play
from sensors_sim.sites import DEMO as DEMO_SITE
from sensors_sim.sites import sites
from sensors_sim.taglist import Instrument, read_instruments

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "hazwatch" / "demo"
START_S = 1_767_225_600
"""2026-01-01T00:00:00Z, second 0 of every story."""


@cache
def revision(site: str) -> Revision:
    return load_config(sites()[site].folder / "hazwatch.toml").revision


def demo() -> Revision:
    return revision(DEMO_SITE)


def instruments() -> list[Instrument]:
    return read_instruments(DEMO / "tags.csv")


def plant(seed: int = 1, start_s: float = START_S) -> Plant:
    return Plant(instruments(), seed, start_s)


def scenario(*effects: dict[str, object], repeat_s: float = 0.0) -> Scenario:
    return Scenario(name="test", repeat_s=repeat_s, effect=effects)


def shown(of: Plant, what: Scenario, seconds: int) -> list[Shown]:
    return [moment for _, moment in islice(play(of, what), seconds)]


def messages(name: str | Scenario, seconds: int, seed: int = 1) -> Iterator[tuple[int, Message]]:
    """(second, message) of the plant of a scenario."""
    what = load(name) if isinstance(name, str) else name
    built = plant_of(what, seed, START_S)
    senders = gateways(built.instruments, START_S)
    for now_s, moment in takewhile(lambda one: one[0] < START_S + seconds, play(built, what)):
        for sender in senders:
            for message in sender.second(now_s, moment):
                yield round(now_s - START_S), message


def recording(sent: Iterable[tuple[int, Message]], of: Revision | None = None) -> Iterator[Instant]:
    """The live messages as instants: read from the wire, names looked up in the registry, received when they are sent,
    with the gateway's time on them. History is left out."""
    numbers = {tag.name: tag.number for tag in (of or demo()).tags}
    for second, message in sent:
        if message.topic.endswith("/backfill"):
            continue
        body = json.loads(message.payload)
        tags = [numbers[name] for name in body["tags"]]
        at_ns = body["time_ms"] * MS
        quality = body.get("quality", [0] * len(tags))
        yield Instant(
            (START_S + second) * SECOND, batch(tags, [at_ns] * len(tags), body["values"], np.array(quality, np.int16))
        )


def story(name: str, seconds: int, seed: int = 1) -> list[Line]:
    """What the rules and the book say of a scenario, silence behind its end left out."""
    return told_of(load(name), seconds, seed)


def told_of(what: Scenario, seconds: int, seed: int = 1) -> list[Line]:
    """The same of a scenario that is in no file."""
    rules = revision(what.site)
    return [line_of(one) for one in Replay(rules).play(recording(messages(what, seconds, seed), rules))]
