"""Fixtures of the composition's tests."""

from __future__ import annotations

from tests.eventlog.conftest import quick_cleaning

__all__ = ["quick_cleaning"]
