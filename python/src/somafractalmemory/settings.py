"""Where settings come from: the environment, then `./.env`, then defaults; as the service reads them.

An empty value is unset. A secret may stand in a file instead: `KAFKA_SASL_PASSWORD_FILE` names it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from .errors import BadConfig

_NAME: Final = re.compile(r"[A-Za-z0-9_]+")
_SWITCH: Final = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


class Settings:
    """The variables of this process."""

    def __init__(self, environment: Mapping[str, str], file: Mapping[str, str] | None = None) -> None:
        self._values = {**(file or {}), **{name: value for name, value in environment.items() if value.strip()}}

    @classmethod
    def of_process(cls, path: str | Path = ".env") -> Settings:
        """The environment, and the file `.env` of the working directory."""
        try:
            text = Path(path).read_text("utf-8")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return cls(os.environ)
        except (OSError, UnicodeDecodeError) as error:
            raise BadConfig(f"./.env cannot be read: {error}") from error
        return cls(os.environ, parse_file(text))

    def text(self, name: str) -> str | None:
        """The value of a variable; `None` when nobody set it."""
        return self._values.get(name, "").strip() or None

    def secret(self, name: str) -> str | None:
        """The value of a variable, or the content of the file that `<name>_FILE` names."""
        value, file = self.text(name), self.text(f"{name}_FILE")
        if file is None:
            return value
        if value is not None:
            raise BadConfig(f"{name} and {name}_FILE are both set; set one of them", field=name)
        try:
            content = Path(file).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BadConfig(f"{name}_FILE cannot be read: {error}", field=f"{name}_FILE") from error
        if not content:
            raise BadConfig(f"the file of {name}_FILE is empty", field=f"{name}_FILE")
        return content

    def switch(self, name: str) -> bool | None:
        """Whether something is on: `1/true/yes/on` or `0/false/no/off`, in any case."""
        text = self.text(name)
        if text is None:
            return None
        if text.lower() not in _SWITCH:
            raise BadConfig(f"{name}={text} is neither true nor false", field=name)
        return _SWITCH[text.lower()]

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """An integer within bounds."""
        text = self.text(name)
        if text is None:
            return default
        if not re.fullmatch(r"[0-9]{1,18}", text) or not least <= int(text) <= most:
            raise BadConfig(f"{name}={text} is not a number from {least} to {most}", field=name)
        return int(text)

    def beginning(self, prefix: str) -> dict[str, str]:
        """What begins so, without its beginning."""
        found = {name: value.strip() for name, value in self._values.items() if name.startswith(prefix)}
        return {name.removeprefix(prefix): value for name, value in sorted(found.items()) if value}


def parse_file(text: str) -> dict[str, str]:
    """Lines of `NAME=value`, with `export` before it and quotes around the value if need be."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip().removeprefix("export ").lstrip()
        if not line or line.startswith("#"):
            continue
        name, mark, value = line.partition("=")
        unquoted = _unquote(value.strip())
        if not mark or unquoted is None or not _NAME.fullmatch(name.strip()):
            raise BadConfig(f"./.env line {number} is not of the form NAME=value")
        found[name.strip()] = unquoted
    return found


def _unquote(value: str) -> str | None:
    if value[:1] not in ("'", '"'):
        return value.split(" #")[0].rstrip()
    inner, mark, rest = value[1:].partition(value[0])
    rest = rest.lstrip()
    return inner if mark and (not rest or rest.startswith("#")) else None
