"""The shared corpus: `schemas/corpus`, the same files that every reader and writer is held to."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


def file(name: str) -> Any:
    return json.loads((SCHEMAS / "corpus" / name).read_text("utf-8"))


def spelled(value: dict[str, Any] | None) -> bytes:
    """The bytes that a case spells."""
    assert value is not None
    ((how, what),) = value.items()
    if how == "json":
        return json.dumps(what, ensure_ascii=False).encode()
    if how == "text":
        return str(what).encode()
    if how == "base64":
        return base64.b64decode(what)
    parts = [part if isinstance(part, str) else part["repeat"][0] * part["repeat"][1] for part in what]
    return "".join(parts).encode()
