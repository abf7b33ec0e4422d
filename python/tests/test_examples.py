"""The examples and the documents work as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from running import Soma

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 120


def environment(soma: Soma) -> dict[str, str]:
    # Whoever runs a notebook has the interpreter's own programs at hand.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "SOMA_URL": soma.url, "PATH": path}


def test_the_script_finds_what_it_published(soma: Soma) -> None:
    script = ROOT / "examples" / "python" / "remember_and_recall.py"
    ran = subprocess.run(
        [sys.executable, script], env=environment(soma), capture_output=True, text=True, timeout=SECONDS
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "published 3 events",
        "3 arrived",
        "Where is the lamp? The lamp is in the attic, beside the old letters.",
        "Where is the spare key? The spare key hangs behind the blue door.",
        "ana: The blue door is painted green now.",
    ]


def test_the_notebook_runs_from_top_to_bottom(soma: Soma, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMA_URL", soma.url)
    notebook = nbformat.read(ROOT / "examples" / "python" / "memory.ipynb", as_version=4)
    NotebookClient(notebook, timeout=SECONDS, kernel_name="python3").execute()
    shown = [output["text"] for cell in notebook.cells for output in cell.get("outputs", []) if "text" in output]
    assert shown == [
        "importance schema\n",
        "the heron came back to the pond on Sunday\n",
        "user - I am allergic to walnuts.\n0 for bo\n",
        "1 deleted\n",
    ]


def test_the_notebook_is_stored_without_answers() -> None:
    notebook = nbformat.read(ROOT / "examples" / "python" / "memory.ipynb", as_version=4)
    assert not [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")]


@pytest.mark.parametrize("document", ["README.md", "docs/python.md", "python/README.md"])
def test_the_code_of_a_document_runs(document: str, soma: Soma, tmp_path: Path) -> None:
    """The blocks of Python, in their order, as one program."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / document).read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert blocks
    program = tmp_path / "document.py"
    program.write_text("\n".join(blocks), "utf-8")
    ran = subprocess.run(
        [sys.executable, program], env=environment(soma), cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS
    )
    assert ran.returncode == 0, ran.stderr
