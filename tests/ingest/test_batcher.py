"""The batcher and the acknowledgements against a slow oracle, over random interleavings of arrivals and appends."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest.acks import Acks, Message, Ticket
from ingest.batcher import Batcher, Lane, Taken, appended
from ingest.directory import Columns

LANES = [Lane("readings", 0), Lane("readings", 1), Lane("backfill", 1)]


def message(mid: int, epoch: int = 1, qos: int = 1) -> Message:
    return Message(epoch, mid, qos, False, "t", b"")


Rows = list[tuple[int, int, float, int, int]]


def rows_of(taken: Taken) -> Rows:
    return [
        (int(t), int(e), float(v), int(q), int(s))
        for b in taken.batches
        for t, e, v, q, s in zip(b.tag, b.event_ns, b.value, b.quality, b.sequence, strict=True)
    ]


@given(st.data())
def test_rows_keep_their_order_and_messages_complete_when_all_parts_are_appended(data: st.DataObject) -> None:
    batcher = Batcher(record_rows=3)
    waiting: dict[Lane, Rows] = {lane: [] for lane in LANES}
    under_way: list[tuple[Lane, Taken]] = []
    open_parts: dict[int, set[int]] = {}
    tickets: dict[int, Ticket] = {}
    part_of: dict[Lane, list[tuple[int, int]]] = {lane: [] for lane in LANES}
    taken_parts: dict[int, list[tuple[int, int]]] = {}
    complete: list[int] = []
    part = 0
    for step in range(data.draw(st.integers(1, 30))):
        action = data.draw(st.sampled_from(["arrive", "arrive", "take", "append"]))
        if action == "arrive":
            ticket = tickets[step] = Ticket(message(step))
            open_parts[step] = set()
            for lane in data.draw(st.lists(st.sampled_from(LANES), unique=True, max_size=3)):
                count = data.draw(st.integers(1, 5))
                numbers = [step * 10 + i for i in range(count)]
                quality = data.draw(st.sampled_from([None, 7]))
                times = data.draw(st.booleans())
                stated = np.arange(count) + step if times else step
                batcher.add(
                    lane,
                    Columns(
                        np.array(numbers, np.int32),
                        np.array(numbers, np.float64),
                        None if quality is None else np.full(count, quality, np.int16),
                    ),
                    stated,
                    step,
                    ticket,
                )
                waiting[lane] += [
                    (n, step + i if times else step, float(n), quality or 0, step) for i, n in enumerate(numbers)
                ]
                part += 1
                open_parts[step].add(part)
                part_of[lane].append((step, part))
        elif action == "take":
            lane = data.draw(st.sampled_from(LANES))
            taken = batcher.take(lane)
            if not waiting[lane]:
                assert taken is None
                continue
            assert taken is not None
            assert all(1 <= len(b) <= 3 for b in taken.batches)
            assert rows_of(taken) == waiting[lane] and taken.rows == len(waiting[lane])
            waiting[lane] = []
            taken_parts[id(taken)] = part_of[lane]
            part_of[lane] = []
            under_way.append((lane, taken))
        elif under_way:
            _, taken = under_way.pop(data.draw(st.integers(0, len(under_way) - 1)))
            expected = []
            for which, one in taken_parts[id(taken)]:
                open_parts[which].discard(one)
                if not open_parts[which]:
                    expected.append(which)
            done = [ticket.message.mid for ticket in appended(taken)]
            assert done == expected
            complete += done
        assert batcher.rows == sum(map(len, waiting.values()))
        assert set(batcher.lanes()) == {lane for lane, rows in waiting.items() if rows}
    assert len(complete) == len(set(complete))


def test_a_full_batcher_says_so_until_something_is_taken() -> None:
    batcher = Batcher(max_rows=2)
    columns = Columns(np.array([1, 2], np.int32), np.array([1.0, 2.0]), None)
    batcher.add(LANES[0], columns, 0, 0, Ticket(message(1)))
    full = [batcher.full]
    batcher.take(LANES[0])
    full.append(batcher.full)
    batcher.add(LANES[0], columns, 0, 0, Ticket(message(2)))
    batcher.clear()
    full.append(batcher.full)
    assert full == [True, False, False]
    assert batcher.take(LANES[0]) is None and batcher.lanes() == []


@given(st.data())
def test_acknowledgements_are_in_order_and_never_cross_an_epoch(data: st.DataObject) -> None:
    acks = Acks()
    acks.begin(1)
    epoch, arrived, acked = 1, [], []
    tickets: list[Ticket] = []
    for mid in range(data.draw(st.integers(1, 40))):
        action = data.draw(st.sampled_from(["arrive", "arrive", "arrive", "done", "done", "reconnect", "condemn"]))
        if action == "arrive":
            ticket = Ticket(message(mid, epoch, data.draw(st.sampled_from([0, 1, 1]))))
            acks.arrived(ticket)
            tickets.append(ticket)
            if ticket.message.qos and acks.epoch == epoch:
                arrived.append(ticket)
        elif action == "done" and tickets:
            ticket = tickets.pop(data.draw(st.integers(0, len(tickets) - 1)))
            ready = acks.done(ticket)
            assert all(one.epoch == acks.epoch for one in ready)
            acked += ready
        elif action == "reconnect":
            epoch += 1
            acks.begin(epoch)
            arrived, acked = [], []
        elif action == "condemn":
            acks.condemn()
            arrived, acked = [], []
        done_prefix = []
        for ticket in arrived:
            if not ticket.done:
                break
            done_prefix.append(ticket.message)
        assert acked == done_prefix
        assert len(acks) == len(arrived) - len(acked)
