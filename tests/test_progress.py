"""Progress: a line with a rate and an end on a terminal, and nothing where there is none."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from resnet_dsl.backend.discovery import find_backend
from resnet_dsl.cli import progress_line
from resnet_dsl.cli.main import main
from resnet_dsl.cli.progress_line import WIPED, ProgressLine, line_of, progress_shown
from resnet_dsl.cli.verification_progress import VerificationProgress
from resnet_dsl.driver import compile_spec
from resnet_dsl.program import Program
from resnet_dsl.progress import LongTask, listening


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_has_a_share_a_rate_and_an_end() -> None:
    task = LongTask("reading x.pth", 400_000_000, "B", done=100_000_000)
    assert line_of(task, 0.5) == "reading x.pth: 25%, 200.0 MB/s, 2 s left"
    assert line_of(LongTask("x", 10, "values", done=5), 1.0) == "x: 50%, 5 values/s, 1 s left"
    assert line_of(LongTask("x", 10, "steps", done=1), 4.0) == "x: 10%, 0.2 steps/s, 36 s left"
    assert line_of(LongTask("a\x1bb", 0, "B"), 1.0) == "'a\\x1bb': 100%, 0 B/s, 0 s left"


def test_a_short_task_is_not_shown_and_a_long_one_not_too_often() -> None:
    times = iter([0.0, 0.2, 1.0, 1.05, 2.0])
    stream = Terminal()
    line = ProgressLine(stream, lambda: next(times))
    task = LongTask("working", 5, "B")
    with listening(line):
        for _ in range(5):
            task.advance(1)
    task.advance(1)  # nobody listens any more
    line.wipe()
    assert stream.getvalue() == (
        f"{WIPED}working: 60%, 3 B/s, 1 s left{WIPED}working: 100%, 2 B/s, 0 s left{WIPED}"
    )


def test_what_is_no_terminal_gets_nothing() -> None:
    stream = io.StringIO()
    with progress_shown(stream):
        LongTask("working", 1, "B").advance(1)
    assert stream.getvalue() == ""


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.chdir(tmp_path)
    Path("net.resnet").write_text("model net { stages: [1]  block: basic }\n")
    monkeypatch.setattr(progress_line, "MOMENT", 1e-9)
    monkeypatch.setattr(progress_line, "BETWEEN", 0.0)
    return Terminal()


def test_weights_are_drawn_written_and_read_with_progress(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", terminal)
    assert main(["weights", "init", "net.resnet", "-o", "a.safetensors"]) == 0
    shown = terminal.getvalue()
    assert "drawing weights: 100%, " in shown
    assert "writing a.safetensors: 100%, " in shown
    assert shown.endswith(WIPED)
    terminal.truncate(0)
    assert main(["weights", "convert", "a.safetensors", "b.safetensors", "--spec", "net.resnet"]) == 0
    assert "reading a.safetensors: 100%, " in terminal.getvalue()
    assert "writing b.safetensors: 100%, " in terminal.getvalue()


def test_a_pipe_gets_none_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, file = tmp_path / "net.resnet", tmp_path / "a.safetensors"
    spec.write_text("model net { stages: [1]  block: basic }\n")
    assert main(["weights", "init", str(spec), "-o", str(file)]) == 0
    assert capsys.readouterr().err == ""


def test_what_copies_of_a_process_begin_is_counted_together() -> None:
    backends = {name: find_backend(name) for name in ("torch", "onnx")}
    progress = VerificationProgress(backends, 3)
    assert progress.task.total == 4 + 5 + 4  # onnx has no trainer
    for name, count in (("torch", 2), ("onnx", 3)):
        child = os.fork()
        if child == 0:
            for _ in range(count):
                progress.begin(name, "float64")
            os._exit(0)
        os.waitpid(child, 0)
    progress.begin("torch", "training")
    progress.begin("", "referee")
    assert progress.task.done == 2 + 2  # what was begun last is not done
    assert progress.task.what == "verifying, torch training"


@pytest.mark.slow
def test_a_verification_begins_as_much_as_it_says() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    from resnet_dsl.verify.run import verify

    begun: list[str] = []
    backends = {name: find_backend(name) for name in ("torch", "onnx")}

    def load(more: Mapping[str, object]) -> Program:
        return compile_spec("resnet20", None, {"stages": "[1, 1, 1]", **more})

    verify(load, list(backends), 2, announce=lambda backend, doing: begun.append(backend))
    assert len([each for each in begun if each]) == VerificationProgress(backends, 2).task.total
