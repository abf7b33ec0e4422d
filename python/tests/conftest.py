"""What the tests run against: the real `soma`, and the real services where they are named.

`SOMA_BINARY` names the binary; without it the tests that need one fail, unless `SOMA_TEST_WITHOUT_BINARY=1` says that
they may be skipped. Kafka, PostgreSQL and Qdrant are optional: `SOMA_TEST_KAFKA=1` with the variables that the test
services print, `SOMA_TEST_POSTGRES_URL`, `SOMA_TEST_QDRANT_URL`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from running import Soma
from somafractalmemory import delivery

OURS = ("SOMA_", "KAFKA_", "EVENTING_", "POSTGRES_", "QDRANT_", "CONSUMER_")
OUTSIDE = {name: value for name, value in os.environ.items() if name.startswith(OURS)}


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Every test begins without settings, in a directory of its own, and lets go of its delivery."""
    for name in OUTSIDE:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    yield
    delivery.close(0.0)


@pytest.fixture(scope="session")
def outside() -> dict[str, str]:
    """The variables with which the tests were started."""
    return OUTSIDE


@pytest.fixture(scope="session")
def binary() -> Path:
    """The `soma` binary."""
    named = OUTSIDE.get("SOMA_BINARY")
    if named is None:
        if OUTSIDE.get("SOMA_TEST_WITHOUT_BINARY") == "1":
            pytest.skip("SOMA_BINARY names no soma binary")
        pytest.fail("SOMA_BINARY names no soma binary; set it, or SOMA_TEST_WITHOUT_BINARY=1 to do without")
    path = Path(named).resolve()
    assert path.is_file(), f"SOMA_BINARY={named} is no file"
    return path


@pytest.fixture(scope="session")
def soma(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Soma]:
    """A running `soma up` with a data directory of its own."""
    with Soma.up(binary, tmp_path_factory.mktemp("soma")) as running:
        yield running


@pytest.fixture(scope="session")
def kafka(outside: dict[str, str]) -> dict[str, str]:
    """The variables of the test broker: it has to be there when `SOMA_TEST_KAFKA=1`."""
    if outside.get("SOMA_TEST_KAFKA") != "1":
        pytest.skip("NO KAFKA: set SOMA_TEST_KAFKA=1 and the variables of the test services")
    assert "KAFKA_BOOTSTRAP_SERVERS" in outside, "SOMA_TEST_KAFKA=1, and no KAFKA_BOOTSTRAP_SERVERS"
    return {name: value for name, value in outside.items() if name.startswith("KAFKA_")}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    missing = [name for name in ("SOMA_BINARY", "SOMA_TEST_KAFKA", "SOMA_TEST_POSTGRES_URL") if name not in OUTSIDE]
    if missing:
        terminalreporter.write_line(f"NOT TESTED HERE: what needs {', '.join(missing)}", yellow=True, bold=True)
