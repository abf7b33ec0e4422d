"""Ids that follow from what they name, so that naming it again gives the same id.

Each is the UUIDv5 of some parts in `NAMESPACE`: texts joined by U+0000. `schemas/corpus/derived.json` fixes examples
of every one, for every language.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import time
import uuid
from collections.abc import Sequence
from typing import Final

from . import errors, jsontext, limits

NAMESPACE: Final = uuid.UUID("751bdd46-f7b7-4b31-9d10-f4ab140c8973")
"""The namespace of all derived ids, published with the corpus."""

_DECIMAL: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def derived(*parts: str) -> str:
    """The UUIDv5 of these parts."""
    return str(uuid.uuid5(NAMESPACE, "\0".join(parts)))


_NOISE_BYTES: Final = 10
_noise: list[bytes] = []
"""Random bytes for ids, fetched many at a time; a forked child must not use its parent's."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_noise.clear)


def _next_noise() -> int:
    try:
        return int.from_bytes(_noise.pop(), "big")
    except IndexError:
        fetched = os.urandom(_NOISE_BYTES * 128)
        _noise.extend(fetched[at : at + _NOISE_BYTES] for at in range(_NOISE_BYTES, len(fetched), _NOISE_BYTES))
        return int.from_bytes(fetched[:_NOISE_BYTES], "big")


def new_id() -> str:
    """A new id of version 7."""
    milliseconds = time.time_ns() // 1_000_000
    noise = _next_noise()
    high = (milliseconds << 16) | 0x7000 | (noise >> 68)
    low = 0x8000_0000_0000_0000 | (noise & 0x3FFF_FFFF_FFFF_FFFF)
    digits = f"{high:016x}{low:016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


Coordinate = str | Sequence[float]


def coordinate_numbers(coordinate: Coordinate) -> list[float]:
    """The numbers of a coordinate; −0 is +0. Raises `SchemaViolation` at `coordinate`."""
    if isinstance(coordinate, str):
        parts = [part.strip(" ") for part in coordinate.split(",")]
        wrong = next((part for part in parts if not _DECIMAL.fullmatch(part)), None)
        if wrong is not None:
            raise _refused(f"has {jsontext.shown(wrong)} where a number should be")
        numbers = [float(part) for part in parts]
    else:
        wrong_item = next((x for x in coordinate if isinstance(x, bool) or not isinstance(x, (int, float))), None)
        if wrong_item is not None:
            raise _refused(f"has {wrong_item!r} where a number should be")
        try:
            numbers = [float(x) for x in coordinate]
        except OverflowError:
            raise _refused("has a number beyond ±1e308") from None
    if not numbers:
        raise _refused("has no number")
    if len(numbers) > limits.COORDINATE_NUMBERS_MAX:
        raise _refused(f"has more than {limits.COORDINATE_NUMBERS_MAX} numbers")
    if not all(abs(x) <= limits.NUMBER_ABS_MAX for x in numbers):
        raise _refused("has a number beyond ±1e308")
    return [x + 0.0 for x in numbers]


def _refused(why: str) -> errors.SchemaViolation:
    remedy = "write finite numbers separated by commas, such as 1.0,2.5"
    return errors.SchemaViolation(f"the coordinate {why}", field="coordinate", remedy=remedy)


def coordinate_id(namespace: str, coordinate: Coordinate) -> str:
    """The memory stored at a coordinate of a namespace: storing there again updates it."""
    return derived("memory", namespace, *(struct.pack(">d", x).hex() for x in coordinate_numbers(coordinate)))


def idempotency_ids(namespace: str, method: str, target: str, item: int, key: str) -> tuple[str, str]:
    """The event and the memory that a request under an `Idempotency-Key` makes."""
    parts = (namespace, method, target, str(item), key)
    return derived("event", *parts), derived("memory", *parts)


def tombstone_id(log: str, partition: int, offset: int) -> str:
    """The event of a Kafka record without a value."""
    return derived(log, str(partition), str(offset))


def import_ids(namespace: str, canonical: str, occurrence: int) -> tuple[str, str]:
    """The event and the memory that an import makes of a payload, at its nth occurrence from 1."""
    parts = (namespace, "import", hashlib.sha256(canonical.encode()).hexdigest(), str(occurrence))
    return derived("event", *parts), derived("memory", *parts)


def restored_event_id(shown: str) -> str:
    """The event that brings an exported memory back, when the one that it shows changed it later."""
    return derived("restore", shown)


def record_id(key: bytes | None, value: bytes) -> str:
    """What stands for a record whose event id cannot be read."""
    return derived("record", hashlib.sha256(key or b"").hexdigest(), hashlib.sha256(value).hexdigest())
