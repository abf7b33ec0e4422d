"""How far the log had come at this client's writes, so that its reads see them.

A read names every position that no read before it has passed. What one read has passed, all later ones have.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

_KEPT: Final = 4096
"""Beyond that many writes without a read, the oldest are forgotten: they are long in the stores."""
AT_ONCE: Final = 64
"""How many positions one request names."""


class Positions:
    """Positions of writes that no read has passed; safe under threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: dict[str, None] = {}

    def note(self, position: str | None) -> None:
        """A write has this position."""
        if position:
            with self._lock:
                self._pending[position] = None
                if len(self._pending) > _KEPT:
                    del self._pending[next(iter(self._pending))]

    def pending(self) -> list[str]:
        """What the next read has to wait for."""
        with self._lock:
            return list(self._pending)

    def passed(self, positions: Iterable[str]) -> None:
        """A read has waited for these."""
        with self._lock:
            for position in positions:
                self._pending.pop(position, None)
