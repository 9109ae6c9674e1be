"""Tag numbers: given once, kept with the name and the cell, never reused (LAWS C3).

The registry of a running system is the only memory: the numbers of a new configuration follow from the revision before
it and from nothing else, so no ledger beside the tag lists can be lost or edited.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from schemas.registry import Revision, Tag

replace = msgspec.structs.replace


def numbered(tags: Iterable[Tag], previous: Revision | None = None) -> tuple[Tag, ...]:
    """The tags with their numbers, followed by the retired tags of the previous revision, in order of number.

    A tag that kept its name and its cell keeps its number. A new one, and one that moved to another cell, gets the next
    number above all that were ever given; the number that it leaves behind, and that of a tag that is gone, is retired.
    """
    before = () if previous is None else previous.tags
    living = {tag.name: tag for tag in before if not tag.retired}
    highest = max((tag.number for tag in before), default=0)
    kept: set[int] = set()
    made: list[Tag] = []
    for tag in tags:
        old = living.get(tag.name)
        if old is not None and old.cell_key == tag.cell_key and old.number not in kept:
            number = old.number
        else:
            highest += 1
            number = highest
        kept.add(number)
        made.append(replace(tag, number=number))
    gone = [tag if tag.retired else replace(tag, retired=True) for tag in before if tag.number not in kept]
    return (*made, *sorted(gone, key=lambda tag: tag.number))


def renumbered(revision: Revision, previous: Revision) -> Revision:
    """The revision as the successor of `previous`: same content, numbers as `numbered` gives them."""
    live = [tag for tag in revision.tags if not tag.retired]
    return replace(revision, number=previous.number + 1, tags=numbered(live, previous))
