"""The `[console]` table of the configuration file."""

from __future__ import annotations

import msgspec


class ConsoleConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the control room's server runs. Times in seconds."""

    host: str = "127.0.0.1"
    port: int = 8420
    tls_certificate: str = ""
    tls_key_file: str = ""
    origins: tuple[str, ...] = ()
    """Further origins that browsers may come from (behind a reverse proxy), such as `https://hazwatch.park.example`."""
    telemetry_hz: float = 5.0
    pipeline_stale_s: float = 2.5
    """Silence of what speaks every second (readings partitions, evaluators, books) past which the pipeline is stale."""
    beat_stale_s: float = 12.0
    """The same for what beats every 5 s: the links of ingest."""
    answer_s: float = 5.0
    """How long an acknowledgement waits for its answer before 202 is returned."""
    live_minutes: int = 10
    live_bytes: int = 64 << 20
    """Memory for the live trends of all tags together; with many tags the samples become coarser."""
    session_hours: float = 24.0
    idle_minutes: float = 60.0
    """A session without an open page ends after this."""
    max_screens: int = 500

    def problems(self) -> list[str]:
        """Everything that is wrong with these values, as `field: what and what to do`."""
        found = []
        if not 0 <= self.port <= 65535:
            found.append(f"port: {self.port} is not a port; give 0 (any free one) to 65535")
        if bool(self.tls_certificate) != bool(self.tls_key_file):
            found.append("tls_certificate, tls_key_file: give both, or neither for plain HTTP")
        if not 1 <= self.telemetry_hz <= 20:
            found.append(f"telemetry_hz: {self.telemetry_hz} is outside 1 to 20")
        if not 1 <= self.live_minutes <= 120:
            found.append(f"live_minutes: {self.live_minutes} is outside 1 to 120")
        if self.live_bytes < 1 << 20:
            found.append(f"live_bytes: {self.live_bytes} is less than 1 MiB")
        for name in ("pipeline_stale_s", "beat_stale_s", "answer_s", "session_hours", "idle_minutes"):
            if not 0 < getattr(self, name) < 1e6:
                found.append(f"{name}: {getattr(self, name)} must be a positive number")
        for origin in self.origins:
            if not origin.startswith(("http://", "https://")) or origin.endswith("/"):
                found.append(f"origins: {origin!r} must look like https://host or https://host:port")
        return found

    @property
    def tls(self) -> bool:
        return bool(self.tls_certificate)
