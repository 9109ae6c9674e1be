"""Databases of both kinds for the contract of the tables and queries."""

from __future__ import annotations

import pytest


@pytest.fixture(
    params=[
        pytest.param("database", marks=pytest.mark.part("postgres"), id="native"),
        pytest.param("timescale_database", marks=pytest.mark.part("timescaledb"), id="timescale"),
    ]
)
def either_database(request: pytest.FixtureRequest) -> str:
    """The address of an empty database: plain PostgreSQL in one run of the test, TimescaleDB in the other."""
    dsn: str = request.getfixturevalue(request.param)
    return dsn
