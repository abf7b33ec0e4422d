"""Moments: RFC 3339 in, UTC with microseconds out.

Digits beyond microseconds are cut, never rounded. A leap second is the second before it. Years are 1 to 9999.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Final

from . import errors, jsontext

_CANONICAL: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_RFC3339: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_REMEDY: Final = "write an RFC 3339 date-time such as 2026-01-02T03:04:05Z"


def write(moment: datetime) -> str:
    """The spelling of a moment; one without a time zone is in UTC. Raises `SchemaViolation` at `timestamp`."""
    try:
        utc = moment.astimezone(timezone.utc) if moment.tzinfo else moment
    except OverflowError:
        raise _refused("lies outside the years 1 to 9999") from None
    return f"{utc.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def now() -> str:
    """This moment."""
    return f"{datetime.now(timezone.utc).isoformat(timespec='microseconds')[:26]}Z"


def canonical(text: str) -> str:
    """Reads an RFC 3339 date-time and writes it in UTC with microseconds. Raises `SchemaViolation` at `timestamp`."""
    if _CANONICAL.fullmatch(text) and text[17:19] != "60":
        try:
            datetime.fromisoformat(text[:26])
        except ValueError:
            raise _refused(f"{jsontext.shown(text)} is not in the calendar") from None
        return text
    return _read(text)


def _read(text: str) -> str:
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise _refused(f"{jsontext.shown(text)} is not an RFC 3339 date-time")
    date, clock, seconds, fraction, sign, hours, minutes = match.groups()
    leap = seconds == "60"
    try:
        spelled = f"{date}T{clock}:{'59' if leap else seconds}.{(fraction or '0')[:6]:0<6}"
        moment = datetime.fromisoformat(spelled)
        if sign:
            if int(hours) > 23 or int(minutes) > 59:
                raise _refused(f"{jsontext.shown(text)} has an offset that no place has")
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            moment = moment - offset if sign == "+" else moment + offset
    except OverflowError:
        raise _refused("lies outside the years 1 to 9999") from None
    except ValueError as error:
        if isinstance(error, errors.SomaError):
            raise
        raise _refused(f"{jsontext.shown(text)} is not in the calendar") from None
    if leap and (moment.hour, moment.minute) != (23, 59):
        raise _refused(f"{jsontext.shown(text)} has a leap second where none can be")
    return write(moment)


def _refused(why: str) -> errors.SchemaViolation:
    return errors.SchemaViolation(f"timestamp {why}", field="timestamp", remedy=_REMEDY)
