"""Shows moments as the clocks of a place show them."""

from __future__ import annotations

from datetime import UTC, datetime

from smarterproctoring.commands import zone


class Clock:
    """The clocks of a place.

    Args:
        name: The IANA name of its zone; by default this machine's own zone.

    Raises:
        ZoneError: There is no such zone.
    """

    def __init__(self, name: str | None) -> None:
        self._zone = None if name is None else zone(name)

    def local(self, moment: datetime) -> datetime:
        """Return what the clocks show at a moment."""
        return moment.astimezone(self._zone)

    def shown(self, moment: datetime) -> str:
        """Return a moment for people: the day of the week, the date, the time, the zone."""
        return f"{self.local(moment):%a %d %b %Y %H:%M %Z}"

    def both(self, moment: datetime) -> str:
        """Return a moment by these clocks and in UTC."""
        if self.local(moment).tzname() == "UTC":
            return self.shown(moment)
        utc = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return f"{self.shown(moment)} ({utc})"
