"""The bounds of the contract, in one place."""

from __future__ import annotations

from typing import Final

VALUE_BYTES_DEFAULT: Final = 1 << 20
"""The largest event unless `SOMA_EVENT_BYTES_MAX` says otherwise."""
VALUE_BYTES_MAX: Final = 16 << 20
DEPTH_MAX: Final = 64
"""How deep JSON may nest; the event itself is the first level."""
NUMBER_ABS_MAX: Final = 1e308
EXACT_INTEGER_MAX: Final = 1 << 53
COORDINATE_NUMBERS_MAX: Final = 1024
BATCH_ITEMS_MAX: Final = 1000
TOP_K_MAX: Final = 1000
PAGE_MAX: Final = 1000
REQUEST_BYTES: Final = 4 << 20
"""About how many bytes of events go into one request."""
