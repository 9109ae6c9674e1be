"""Reads of topic files off the event loop: a few threads and, per topic, a few read-only connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import TypeVar

from eventlog.embedded.directory import topic_path
from eventlog.embedded.store import TopicReader
from eventlog.port import LogUnavailable

T = TypeVar("T")
THREADS = 3


class ReadPool:
    """Lends `TopicReader`s to blocking functions. `forget` makes later reads open the files afresh."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="log-read")
        self._idle: dict[str, list[TopicReader]] = {}
        self._age = 0
        self._lock = Lock()
        self._closed = False

    async def run(self, topic: str, work: Callable[[TopicReader], T]) -> T:
        """`work(reader)` in a thread; its exceptions come out here."""
        if self._closed:
            raise LogUnavailable("the log is closed")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._lend, topic, work)

    def _lend(self, topic: str, work: Callable[[TopicReader], T]) -> T:
        with self._lock:
            age, idle = self._age, self._idle.get(topic)
            reader = idle.pop() if idle else None
        if reader is None:
            reader = TopicReader(topic_path(self._directory, topic), topic)
        healthy = False
        try:
            result = work(reader)
            healthy = True
            return result
        finally:
            self._give_back(topic, reader, age, healthy)

    def _give_back(self, topic: str, reader: TopicReader, age: int, healthy: bool) -> None:
        with self._lock:
            if healthy and age == self._age and not self._closed:
                self._idle.setdefault(topic, []).append(reader)
                return
        reader.close()

    def forget(self) -> None:
        """Closes all connections; those in use close when they come back."""
        with self._lock:
            self._age += 1
            readers = [reader for idle in self._idle.values() for reader in idle]
            self._idle.clear()
        for reader in readers:
            reader.close()

    def close(self) -> None:
        """Does not wait for a read that hangs on a bad disk."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.forget()
