"""Python and Rust say the same of thousands of damaged events: the builder here, and the running service.

The events of the corpus are cut, joined and sprinkled with what is hard to read; the same seed makes the same cases.
"""

from __future__ import annotations

import random
import string

import httpx
import pytest

import corpus
from running import Soma
from somafractalmemory import errors, event

CASES_OF_A_REQUEST = 500
HARD = [
    '"', "{", "}", "[", "]", ",", ":", "\\", "\\u0000", "\\ud800", "null", "true", "-", "0", "1e400", "1e308",
    "1.1e308", "9" * 310, "é", "\t", " ", ".5", "01", '"a":1,', '"payload":2,', "2026-02-29T00:00:00Z", "T24", "+00:00",
    "60", "\x7f", "\u0085", "\u2028", "NaN", "Infinity", "[[[[[[", "1e-400", "-0.0", "18446744073709551616",
]  # fmt: skip


def sound_texts() -> list[str]:
    """The values of the corpus that are one short line of text."""
    values = [corpus.spelled(case["value"]) for case in corpus.file("events.json")]
    texts = [value.decode("utf-8", "replace") for value in values if len(value) < 3000]
    return [text for text in texts if text.strip() and not {"\n", "\r"} & set(text)]


def damaged(text: str, others: list[str], dice: random.Random) -> str:
    for _ in range(dice.randint(1, 3)):
        at, kind = dice.randrange(len(text) + 1), dice.random()
        if kind < 0.4:
            text = text[:at] + dice.choice(HARD) + text[at:]
        elif kind < 0.6:
            text = text[:at] + text[at + dice.randint(1, 4) :]
        elif kind < 0.8:
            text = text[:at] + dice.choice(string.printable[:95]) + text[at + 1 :]
        else:
            other = dice.choice(others)
            start = dice.randrange(len(other))
            text = text[:at] + other[start : start + dice.randint(1, 30)] + text[at + dice.randint(0, 30) :]
    return text


def ours(text: str) -> tuple[str, str | None] | None:
    try:
        event.parse(text)
    except errors.InvalidEvent as error:
        return error.code, error.field
    return None


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_event_is_refused_for_the_same_reason(soma: Soma, seed: int) -> None:
    dice, others = random.Random(seed), sound_texts()
    texts: list[str] = []
    while len(texts) < CASES_OF_A_REQUEST:
        text = damaged(dice.choice(others), others, dice)
        # A line of its own, with something on it.
        if text.strip() and not {"\n", "\r"} & set(text):
            texts.append(text)
    answer = httpx.post(f"{soma.url}/v1/events?restore=true", content="\n".join(texts).encode(), timeout=60)
    items = answer.json()["items"]
    assert len(items) == len(texts)
    refused = 0
    for text, item in zip(texts, items, strict=True):
        error = item.get("error")
        theirs = (error["code"], error.get("field")) if error else None
        # Of the records, and not of the event, which is sound.
        if theirs and theirs[0] in ("namespace_mismatch", "idempotency_conflict"):
            theirs = None
        assert ours(text) == theirs, text
        refused += theirs is not None
    assert CASES_OF_A_REQUEST // 2 < refused < CASES_OF_A_REQUEST
