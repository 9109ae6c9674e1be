"""What several modules here need."""

from __future__ import annotations

import pytest

from eventlog.embedded import cleaning, lane


@pytest.fixture
def quick_cleaning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retention and compaction of the embedded log work at once instead of every second and after a minute."""
    monkeypatch.setattr(lane, "CLEAN_EVERY_S", 0.02)
    monkeypatch.setattr(cleaning, "COMPACTION_LAG_NS", 100_000_000)
