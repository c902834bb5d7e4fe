"""The command `watch`, in a process of its own; and `--quiet`."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from resnet_dsl.cli.commands.watch import files_of, states
from resnet_dsl.cli.main import main

ROOT = Path(__file__).parents[1]
GOOD = "model net { stages: [1]  block: basic  head: gap -> fc(%d) }\n"
BAD = "model net { stages: [1]  block: basik }\n"


def interruptible() -> None:
    """Take interrupts, which a shell has what runs in its background ignore, and all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Watching:
    """A running `watch`: what it prints is read until a text comes."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        environ = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'backends'}"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "resnet_dsl", "watch", *arguments],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environ,
            preexec_fn=interruptible,
        )  # fmt: skip
        self.seen = ""

    def until(self, text: str) -> str:
        """Return what is printed from where was read to, up to a text."""
        assert self.process.stdout is not None
        end = time.monotonic() + 60
        while text not in self.seen:
            assert time.monotonic() < end, self.seen
            if select.select([self.process.stdout], [], [], 0.5)[0]:
                self.seen += os.read(self.process.stdout.fileno(), 65536).decode()
        before, _, self.seen = self.seen.partition(text)
        return before + text

    def interrupted(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)

    def rest(self) -> str:
        assert self.process.stdout is not None
        return self.seen + self.process.stdout.read().decode()


def classes(summary: str) -> str:
    """The output of the head in a summary's table."""
    return summary.partition("\nhead")[2].split()[0]


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Callable[..., Watching]]:
    started: list[Watching] = []

    def start(*arguments: str) -> Watching:
        started.append(Watching(tmp_path, *arguments))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()


def test_a_change_is_checked_and_an_error_does_not_end_it(
    tmp_path: Path, watching: Callable[..., Watching]
) -> None:
    spec = tmp_path / "net.resnet"
    spec.write_text(GOOD % 10)
    running = watching("net.resnet")
    assert "net  (input 3x224x224)" in running.until("or any larger\n")
    spec.write_text(BAD)
    assert running.until("basic` or `bias`?\n").startswith("error[E0201]: unknown name `basik`")
    spec.write_text(GOOD % 7)
    assert classes(running.until("or any larger\n")) == "7"
    spec.unlink()
    assert running.until("\n") == "waiting for net.resnet\n"
    spec.write_text(GOOD % 8)
    assert classes(running.until("or any larger\n")) == "8"
    spec.write_bytes(b"\xff")
    assert running.until("\n").startswith("error: net.resnet: not UTF-8 text")
    assert running.interrupted() == 0
    assert running.rest() == ""


def test_a_file_that_is_used_is_watched_and_settings_count(
    tmp_path: Path, watching: Callable[..., Watching]
) -> None:
    (tmp_path / "net.resnet").write_text('use "own.resnet"\nmodel net { stages: [1]  block: own }\n')
    running = watching("net.resnet", "--set", "classes=5")
    assert "no file `own.resnet`" in running.until("^^^\n")
    (tmp_path / "own.resnet").write_text("block own(width) { return x -> conv(width, 3x3) }")
    assert classes(running.until("or any larger\n")) == "5"
    assert running.interrupted() == 0


def test_a_half_written_file_is_waited_for(tmp_path: Path) -> None:
    spec = tmp_path / "net.resnet"
    spec.write_text("model net {")
    texts = ["model net { stages", "model net { stages: [1]", "model net { stages: [1]  block: basic }"]

    def write_on() -> None:
        if texts:
            spec.write_text(texts.pop(0))

    next(states(spec, write_on))
    assert not texts
    assert spec.read_text().endswith("block: basic }")


def test_files_of_before_are_watched_while_a_text_cannot_be_read(tmp_path: Path) -> None:
    spec, used = tmp_path / "net.resnet", tmp_path / "own.resnet"
    spec.write_text('use "own.resnet"\nuse resnet50\nmodel net { stages: [1] }')
    used.write_text('use "net.resnet"')
    known = files_of(spec, ())
    assert known == {spec, used}
    spec.write_text("use use use")
    assert files_of(spec, known) == {spec, used}


@pytest.mark.parametrize(
    ("spec", "message"),
    [("-", "error: standard input cannot be watched"), ("no.resnet", "error: no such file: no.resnet")],
)
def test_what_cannot_be_watched_is_refused(
    spec: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", spec]) == 2
    assert capsys.readouterr().err.startswith(message)


# --- quiet -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["compile", "net.resnet", "--backend", "torch"],
        ["draw", "net.resnet"],
        ["weights", "init", "net.resnet", "-o", "net.safetensors"],
        ["weights", "convert", "w.safetensors", "other.safetensors", "--spec", "net.resnet"],
        [
            "weights",
            "average",
            "w.safetensors",
            "w.safetensors",
            "-o",
            "m.safetensors",
            "--spec",
            "net.resnet",
        ],
        ["import", "w.safetensors", "-o", "back.resnet"],
        ["gen-test", "net.resnet"],
        ["fmt", "net.resnet"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_quiet_says_nothing_of_what_is_written(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.resnet").write_text("model net { stages: [1]  block: basic }\n")
    if "w.safetensors" in words:
        assert main(["weights", "init", "net.resnet", "-o", "w.safetensors", "--quiet"]) == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert main([*words, "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} != before
