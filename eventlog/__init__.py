"""The durable log: one port (`port.py`), two adapters (`embedded`, `kafka`), one contract suite."""
