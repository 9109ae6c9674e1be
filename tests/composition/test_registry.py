"""Publishing revisions: crashes half-way, two publishers at once, records that cannot be read, a log that goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from eventlog.port import EventLog, LogUnavailable, NewRecord
from hazwatch.config.numbers import renumbered
from hazwatch.registry import EMPTY, RegistryView, RevisionMissing, content_hash, publish
from schemas.records import Activate, Kind, encode
from schemas.registry import Revision
from tests.composition.helpers import FlakyLog, park, payloads, reading, small_log, tag
from tests.parts.net import eventually


async def put(log: EventLog, revision: Revision) -> Revision:
    view = RegistryView(log)
    return await publish(log, view, lambda newest: renumbered(revision, newest), made_ns=10**18, made_by="test")


async def activations(log: EventLog) -> list[tuple[str, int, list[int]]]:
    """The revisions that each partition was told to follow, in order, copies included."""
    found = []
    for topic in ("readings", "backfill", "events"):
        for partition in range(await log.partitions(topic)):
            said = [a for a in await payloads(log, topic, Kind.ACTIVATE, partition) if isinstance(a, Activate)]
            found.append((topic, partition, [a.revision for a in said]))
    return found


async def test_publish_reaches_every_partition(tmp_path: Path) -> None:
    async with small_log(tmp_path) as log:
        first = await put(log, park())
        assert first.number == 1
        assert [numbers for _, _, numbers in await activations(log)] == [[1]] * 5
        (done,) = await payloads(log, "registry", Kind.ACTIVATED)
        assert isinstance(done, Activate)
        assert done.hash == content_hash(first)


async def test_the_same_content_is_not_published_again(tmp_path: Path) -> None:
    async with small_log(tmp_path) as log:
        await put(log, park())
        assert (await put(log, park())).number == 1
        assert [numbers for _, _, numbers in await activations(log)] == [[1]] * 5


class Died(Exception):
    """The process is killed here."""


@pytest.mark.parametrize("after", range(7))
async def test_a_half_done_activation_is_finished_by_the_next_start(tmp_path: Path, after: int) -> None:
    """Killed after each append of a publication in turn: the next one ends with everybody at the same revision."""
    async with small_log(tmp_path) as log:
        flaky = FlakyLog(log)
        left = after

        async def dies(topic: str, partition: int, records: Sequence[NewRecord]) -> None:
            nonlocal left
            if left == 0:
                raise Died
            left -= 1

        flaky.before_append = dies
        with pytest.raises(Died):
            await put(flaky, park())
        assert (await put(log, park())).number == 1
        assert all(set(numbers) == {1} for _, _, numbers in await activations(log))
        view = RegistryView(log)
        await view.catch_up()
        assert view.current == view.newest != EMPTY


async def test_two_publishers_at_once(tmp_path: Path) -> None:
    """Both read revision 1 and append a revision 2: one is 2, the other becomes 3, and tag numbers stay apart."""
    async with small_log(tmp_path) as log:
        await put(log, park(tag(1, "e.T-1")))
        meet = asyncio.Barrier(2)

        async def one(name: str) -> Revision:
            flaky = FlakyLog(log)

            async def together(topic: str, partition: int, records: Sequence[NewRecord]) -> None:
                if topic == "registry" and records[0].kind == Kind.REVISION and not waited:
                    waited.append(True)
                    await meet.wait()

            waited: list[bool] = []
            flaky.before_append = together
            return await put(flaky, park(tag(1, "e.T-1"), tag(2, name)))

        async with asyncio.timeout(20):
            found = await asyncio.gather(one("e.T-A"), one("e.T-B"))
        assert {revision.number for revision in found} == {2, 3}
        last = max(found, key=lambda revision: revision.number)
        view = RegistryView(log)
        await view.catch_up()
        assert view.current == last
        for revision in found:
            assert view.revisions[revision.number] == revision
        numbers: dict[int, set[str]] = {}
        for revision in view.revisions.values():
            for one_tag in revision.tags:
                numbers.setdefault(one_tag.number, set()).add(one_tag.name)
        assert all(len(names) == 1 for names in numbers.values()), numbers


async def test_the_first_record_of_a_number_is_the_revision(tmp_path: Path) -> None:
    async with small_log(tmp_path) as log:
        first = await put(log, park())
        other = Revision(number=1, parks=(), note="an impostor")
        await log.append("registry", 0, [NewRecord(b"1", Kind.REVISION, encode(other))])
        view = RegistryView(log)
        await view.catch_up()
        assert view.revisions[1] == first


async def test_unreadable_records_of_the_registry_are_passed_over(tmp_path: Path) -> None:
    async with small_log(tmp_path) as log:
        await log.append("registry", 0, [NewRecord(b"x", Kind.REVISION, b"{"), NewRecord(b"y", "foreign", b"")])
        assert (await put(log, park())).number == 1


async def test_numbers_rise_above_those_of_a_lost_registry(tmp_path: Path) -> None:
    """`readings` outlived `registry` (on Kafka, a deleted topic): its old activations must not mean new revisions."""
    async with small_log(tmp_path) as log:
        await log.append("readings", 0, [reading(1, 1.0)])
        assert (await put(log, park())).number == 10**9


async def test_a_revision_is_missing_only_when_all_of_registry_is_known(tmp_path: Path) -> None:
    async with small_log(tmp_path) as log:
        view = RegistryView(log)
        await put(log, park())
        with pytest.raises(LogUnavailable):
            await view.revision(2, wait_s=0.01)
        await view.catch_up()
        with pytest.raises(RevisionMissing):
            await view.revision(2, wait_s=0.01)
        assert (await view.revision(1)).number == 1


async def test_following_survives_an_outage_of_the_log(tmp_path: Path) -> None:
    async with small_log(tmp_path) as log:
        flaky = FlakyLog(log)
        view = RegistryView(flaky)
        following = asyncio.create_task(view.follow())
        try:
            flaky.cut = True
            await put(log, park())
            await asyncio.sleep(0)
            version = view.version
            flaky.cut = False
            async with asyncio.timeout(20):
                while view.activated != 1:
                    version = await view.wait_changed(version)
            assert not following.done()
        finally:
            following.cancel()


async def test_no_change_is_missed_between_two_looks(tmp_path: Path) -> None:
    async with small_log(tmp_path) as log:
        view = RegistryView(log)
        seen = view.version
        await put(log, park())
        await view.catch_up()
        async with asyncio.timeout(5):
            assert await view.wait_changed(seen) != seen
        await eventually(lambda: view.activated == 1, "the revision is known")
