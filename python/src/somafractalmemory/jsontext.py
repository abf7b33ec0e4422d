"""JSON as every program of the project reads and writes it.

`parse` refuses what a store or another language could not keep: keys that occur twice, nesting beyond 64 levels,
U+0000, numbers beyond ±1e308, lone surrogates. `check` refuses the same in a value that is in memory. Each refusal
has a stable code and the path of the field. `canonical` is the one spelling of a value, from which ids are derived.
"""

from __future__ import annotations

import json
import re
from enum import Enum
from json.decoder import JSONDecoder
from typing import Any, Final, NoReturn
from uuid import UUID

from . import errors, limits

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_STRINGS: Final = JSONDecoder()
_DIGITS_MAX: Final = 400
"""More digits than an integer within the bound has."""

Path = list["str | int"]


class _FaultError(Exception):
    """A refusal on its way out; every level adds its step, innermost first."""

    def __init__(self, cls: type[errors.InvalidEvent], detail: str) -> None:
        super().__init__(detail)
        self.cls, self.detail = cls, detail
        self.path: Path = []


def shown(text: str) -> str:
    """A text as errors show it: quoted, escaped, cut."""
    return json.dumps(text[:64] + ("…" if len(text) > 64 else ""), ensure_ascii=False)


def field_of(path: Path, at: str = "") -> str | None:
    """A path as errors spell it: keys joined by dots, indexes in brackets."""
    field = at
    for step in path:
        if isinstance(step, int):
            field += f"[{step}]"
        elif not _PLAIN_KEY.fullmatch(step):
            field += f"[{shown(step)}]"
        else:
            field += f".{step}" if field else step
    return field or None


def _raise(fault: _FaultError, at: str) -> NoReturn:
    raise fault.cls(fault.detail, field=field_of(fault.path[::-1], at)) from None


def dumps(value: Any) -> str:
    """Writes a value that was checked: a UUID as its text, an enumeration's member as its value."""
    return _ENCODER.encode(value)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else str(value)


_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"), default=_plain
)


def check(value: Any, at: str = "", level: int = 0) -> None:
    """Refuses what no event may hold. `at` names the value, `level` says how many levels stand around it.

    Raises: `NotJson`, `TooDeep`, `NulCharacter`, `NumberRange`.
    """
    try:
        _visit(value, level)
    except _FaultError as fault:
        _raise(fault, at)


def _visit(value: Any, level: int) -> None:
    if isinstance(value, str):
        _check_text(value, "a string")
    elif value is None or value is True or value is False:
        return
    elif isinstance(value, (int, float)):
        _check_number(value)
    elif isinstance(value, dict):
        if level >= limits.DEPTH_MAX:
            raise _too_deep()
        key: Any = None
        try:
            for key, item in value.items():
                if not isinstance(key, str):
                    raise _FaultError(errors.NotJson, f"an object has the key {key!r}, which is not a string")
                _check_text(key, "an object key")
                _visit(item, level + 1)
        except _FaultError as fault:
            if isinstance(key, str) and "\0" not in key and not _is_broken(key):
                fault.path.append(key)
            raise
    elif isinstance(value, (list, tuple)):
        if level >= limits.DEPTH_MAX:
            raise _too_deep()
        index = 0
        try:
            for index, item in enumerate(value):  # noqa: B007
                _visit(item, level + 1)
        except _FaultError as fault:
            fault.path.append(index)
            raise
    elif isinstance(value, Enum):
        _visit(value.value, level)
    elif not isinstance(value, UUID):
        raise _FaultError(errors.NotJson, f"a {type(value).__name__} is no JSON")


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _check_text(text: str, what: str) -> None:
    if "\0" in text:
        raise _FaultError(errors.NulCharacter, f"{what} contains U+0000")
    if not text.isascii() and _is_broken(text):
        raise _FaultError(errors.NotJson, f"{what} contains half of a surrogate pair")


def _check_number(number: int | float) -> None:
    # Also true for what is not a number at all.
    if not -limits.NUMBER_ABS_MAX <= number <= limits.NUMBER_ABS_MAX:
        raise _FaultError(errors.NumberRange, "a number lies beyond ±1e308")


def _too_deep() -> _FaultError:
    return _FaultError(errors.TooDeep, f"JSON is nested deeper than {limits.DEPTH_MAX} levels")


def parse(text: str | bytes) -> Any:
    """Reads one JSON text.

    Raises: `NotJson`, `TooDeep`, `NulCharacter`, `NumberRange`, `DuplicateKey`.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode()
        except UnicodeDecodeError as error:
            raise errors.NotJson(f"the value is not UTF-8 at byte {error.start}", remedy="encode it as UTF-8") from None
    reader = _Reader(text)
    try:
        return reader.read()
    except _FaultError as fault:
        _raise(fault, "")


class _Reader:
    """Reads depth first, so that the first fault of the text is the one that is told."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def read(self) -> Any:
        value = self._value(0)
        self._space()
        if self.at != len(self.text):
            raise errors.NotJson(f"text follows the value at character {self.at}")
        return value

    def _space(self) -> str:
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.text[self.at : self.at + 1]

    def _broken(self) -> errors.NotJson:
        return errors.NotJson(f"the value is not JSON at character {self.at}", remedy="send one JSON value")

    def _value(self, level: int) -> Any:
        head = self._space()
        if head == "{":
            return self._object(level)
        if head == "[":
            return self._array(level)
        if head == '"':
            text = self._string()
            _check_text(text, "a string")
            return text
        for word, value in (("true", True), ("false", False), ("null", None)):
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return value
        return self._number()

    def _string(self) -> str:
        try:
            text, self.at = _STRINGS.raw_decode(self.text, self.at)
        except ValueError:
            raise self._broken() from None
        if not isinstance(text, str):
            raise self._broken()
        if not text.isascii() and _is_broken(text):
            raise errors.NotJson("a string contains half of a surrogate pair")
        return text

    def _number(self) -> int | float:
        match = _NUMBER.match(self.text, self.at)
        if match is None:
            raise self._broken()
        self.at = match.end()
        spelled = match.group()
        whole = match.group(1) is None and match.group(2) is None
        number: int | float = int(spelled) if whole and len(spelled) < _DIGITS_MAX else float(spelled)
        _check_number(number)
        return number

    def _object(self, level: int) -> dict[str, Any]:
        if level >= limits.DEPTH_MAX:
            raise _too_deep()
        self.at += 1
        found: dict[str, Any] = {}
        if self._space() == "}":
            self.at += 1
            return found
        while True:
            if self._space() != '"':
                raise self._broken()
            key = self._string()
            _check_text(key, "an object key")
            try:
                if key in found:
                    raise _FaultError(errors.DuplicateKey, f"an object has the key {shown(key)} twice")
                if self._space() != ":":
                    raise self._broken()
                self.at += 1
                found[key] = self._value(level + 1)
            except _FaultError as fault:
                fault.path.append(key)
                raise
            if self._ends("}"):
                return found

    def _array(self, level: int) -> list[Any]:
        if level >= limits.DEPTH_MAX:
            raise _too_deep()
        self.at += 1
        found: list[Any] = []
        if self._space() == "]":
            self.at += 1
            return found
        while True:
            try:
                found.append(self._value(level + 1))
            except _FaultError as fault:
                fault.path.append(len(found))
                raise
            if self._ends("]"):
                return found

    def _ends(self, close: str) -> bool:
        mark = self._space()
        if mark not in (close, ","):
            raise self._broken()
        self.at += 1
        return mark == close


def normalise(value: Any) -> Any:
    """The value with every number as it is understood: integral doubles within ±2⁵³ are integers, integers beyond
    64 bits are doubles."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= limits.EXACT_INTEGER_MAX else value
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 64 else float(value)
    if isinstance(value, dict):
        return {key: normalise(item) for key, item in value.items()}
    return [normalise(item) for item in value]


def canonical(value: Any) -> str:
    """The one spelling of a value: sorted keys, no spaces, the fewest digits."""
    return _spell(normalise(value))


def _spell(value: Any) -> str:
    if isinstance(value, float):
        return _spell_double(value)
    if isinstance(value, dict):
        members = (f"{json.dumps(key, ensure_ascii=False)}:{_spell(value[key])}" for key in sorted(value))
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_spell, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _spell_double(number: float) -> str:
    spelled = repr(number)
    digits, mark, exponent = spelled.partition("e")
    if not mark:
        return spelled
    power = int(exponent)
    if power == -5:
        sign = "-" if digits.startswith("-") else ""
        return f"{sign}0.0000{digits.lstrip('-').replace('.', '')}"
    return f"{digits}e{power:+d}"
