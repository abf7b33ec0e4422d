"""Starts the real `soma` and stops it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from somafractalmemory import Memory

READY_SECONDS = 60.0


class Soma:
    """A process of `soma` that says in a line of JSON when it is ready."""

    def __init__(self, command: Sequence[str | Path], folder: Path, variables: Mapping[str, str], ready: str) -> None:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR", "LANG")}
        self.lines: list[str] = []
        self.facts: dict[str, object] = {}
        self._ready = threading.Event()
        self._process = subprocess.Popen(
            command, cwd=folder, env={**kept, "SOMA_LOG_FORMAT": "json", **variables}, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, args=(ready,), daemon=True)
        self._reader.start()
        if not self._ready.wait(READY_SECONDS) or not self.facts:
            self.stop()
            raise AssertionError(f"{command} did not become ready:\n{''.join(self.lines)}")

    @classmethod
    def up(cls, binary: Path, folder: Path, **variables: str) -> Soma:
        """`soma up` on free ports."""
        command = [binary, "up", "--port", "0", "--metrics-port", "0"]
        return cls(command, folder, {"SOMA_DATA_DIR": str(folder / "data"), **variables}, "soma is ready")

    @property
    def url(self) -> str:
        """Where the API is."""
        return str(self.facts["api.url"])

    def catch_up(self) -> None:
        """Waits until both stores have what was appended before: the journal is one order, and a write waits."""
        with Memory(self.url, namespace="catch-up") as memory:
            assert memory.remember("a mark", wait_stored=True).stored

    def stop(self) -> int:
        """Asks it to end, and waits."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(READY_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._reader.join(READY_SECONDS)
        return code

    def __enter__(self) -> Soma:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _read(self, ready: str) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line)
            if ready in line and not self.facts:
                self.facts = json.loads(line)
                self._ready.set()
        self._ready.set()
