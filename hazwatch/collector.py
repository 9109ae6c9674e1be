"""Keeps the garbage collector from walking what stays: registry, rulebook and directory of thousands of tags.

A full collection walks every object there is and holds up everything for a tenth of a second or two. What a
revision leaves in memory lives as long as the process, so it is set aside once it has come into force.
"""

from __future__ import annotations

import asyncio
import gc

from hazwatch.registry import RegistryView

SETTLED_S = 10.0
"""After so long all parts of the process follow a new revision."""


async def spare_the_lasting(registry: RegistryView) -> None:
    """Set aside what is there a while after the start and after every change of the registry, for ever."""
    version = registry.version
    while True:
        await asyncio.sleep(SETTLED_S)
        gc.freeze()
        version = await registry.wait_changed(version)
