"""Tests of the event log: one contract for all adapters, and what each adapter promises beyond it."""
