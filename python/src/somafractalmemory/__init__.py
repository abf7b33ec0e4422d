"""Memory for AI agents: a client of SomaFractalMemory.

`Memory` and `AsyncMemory` remember, recall and forget through the service; `eventing.producer` publishes memory
events to Kafka, or to the service where there is none.
"""

from __future__ import annotations

import logging

from . import errors
from .__about__ import __version__
from .client import AsyncMemory, Hit, Memory, Record, Written
from .errors import InvalidEvent, SomaError
from .event import MemoryEvent, build_memory_event

__all__ = [
    "AsyncMemory",
    "Hit",
    "InvalidEvent",
    "Memory",
    "MemoryEvent",
    "Record",
    "SomaError",
    "Written",
    "__version__",
    "build_memory_event",
    "errors",
]

# Whether anything is shown is for the program to decide, not for a library.
logging.getLogger(__name__).addHandler(logging.NullHandler())
