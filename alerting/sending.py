"""What a dispatcher hands to a channel, and what the channel says came of it."""

from __future__ import annotations

from enum import StrEnum

from alerting.contacts import Contact
from schemas.alarms import Notice
from schemas.registry import Struct
from schemas.text import Text


class Verdict(StrEnum):
    """What came of one attempt."""

    ACCEPTED = "accepted"  # the other side has taken the message
    RETRY = "retry"  # it may work soon: no connection, time out, 5xx, throttled
    REFUSED = "refused"  # it will not work until somebody changes something: tried again, but slowly
    GONE = "gone"  # the endpoint says that it is closed for good (HTTP 410)


class Sent(Struct, frozen=True, kw_only=True):
    """The outcome of one attempt. `detail` is for people and bears no secret; `provider_id` is the other side's id."""

    verdict: Verdict
    detail: str = ""
    provider_id: str = ""

    @property
    def accepted(self) -> bool:
        return self.verdict is Verdict.ACCEPTED


class Delivery(Struct, frozen=True, kw_only=True):
    """One attempt to bring a notice to a contact.

    `at_ns` is wall time, `attempt` counts from 1 over all processes; `remark` is what the reader should know about the
    way it came (it may be a repetition, or the log was not reachable).
    """

    notice: Notice
    contact: Contact | None
    at_ns: int
    attempt: int = 1
    remark: Text = Text()
