"""Shell completion: the scripts, in the shells that are installed."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from resnet_dsl.cli.main import main
from resnet_dsl.cli.options import COMMANDS, command_parser

# What is typed, and the line after the key for completion.
COMPLETED = {
    "resnet-dsl comple": "resnet-dsl completion ",
    "resnet-dsl weights ins": "resnet-dsl weights inspect ",
    "resnet-dsl check --warn": "resnet-dsl check --warnings ",
    "resnet-dsl check --warnings non": "resnet-dsl check --warnings none ",
    "resnet-dsl --color alw": "resnet-dsl --color always ",
    "resnet-dsl --color always summ": "resnet-dsl --color always summary ",
    "resnet-dsl draw resnet120": "resnet-dsl draw resnet1202 ",
    "resnet-dsl check resnet18 resnet120": "resnet-dsl check resnet18 resnet1202 ",
    "resnet-dsl show resnet120": "resnet-dsl show resnet1202 ",
    "resnet-dsl check my_n": "resnet-dsl check my_net.resnet ",
    "resnet-dsl check my_w": "resnet-dsl check my_w",
    "resnet-dsl fmt resnet120": "resnet-dsl fmt resnet120",
    "resnet-dsl fmt my_n": "resnet-dsl fmt my_net.resnet ",
    "resnet-dsl weights inspect my_w": "resnet-dsl weights inspect my_weights.pth ",
    "resnet-dsl compile my_net.resnet --backend ker": "resnet-dsl compile my_net.resnet --backend keras ",
    "resnet-dsl compile --weights my_w": "resnet-dsl compile --weights my_weights.pth ",
    "resnet-dsl weights convert --to torchvis": "resnet-dsl weights convert --to torchvision ",
    "resnet-dsl compile --emit netw": "resnet-dsl compile --emit network ",
    "resnet-dsl draw --format mm": "resnet-dsl draw --format mmd ",
    "resnet-dsl explain E0301": "resnet-dsl explain E0301 ",
    "resnet-dsl check --set no": "resnet-dsl check --set no",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a spec and a file of weights; the scripts lie beside it."""
    found = tmp_path / "here"
    found.mkdir()
    (found / "my_net.resnet").touch()
    (found / "my_weights.pth").touch()
    return found


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", shell]) == 0
    text, errors = capsys.readouterr()
    assert errors == ""
    return text


def needed(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")


class Typed:
    """A shell with a person before it, who types a line and has it completed, shown and wiped out."""

    def __init__(self, command: list[str], folder: Path, setup: str) -> None:
        self.terminal, other = pty.openpty()
        environ = {**os.environ, "TERM": "dumb", "PS1": "", "HOME": str(folder)}
        self.process = subprocess.Popen(
            command, stdin=other, stdout=other, stderr=other, cwd=folder, env=environ, start_new_session=True
        )
        os.close(other)
        self.write(f"{setup}\n")
        self.until(r"rea[d]y>")

    def write(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def until(self, pattern: str) -> str:
        seen, end = "", time.monotonic() + 60
        while (found := re.search(pattern, seen)) is None:
            assert time.monotonic() < end, seen
            if select.select([self.terminal], [], [], 0.5)[0]:
                seen += os.read(self.terminal, 65536).decode(errors="replace")
        return found[0]

    def completed(self, line: str) -> str:
        self.write(f"{line}\t\x18s")
        return self.until(r"<<[^>]*>>")[2:-2]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


Completes = Callable[[str], str]


@pytest.fixture
def bash(folder: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Completes]:
    needed("bash")
    (folder.parent / "script").write_text(script("bash", capsys))
    show = 'show() { echo "<<$READLINE_LINE>>"; READLINE_LINE=; READLINE_POINT=0; }'
    bind = """bind -x '"\\C-xs": show'"""
    shell = Typed(["bash", "--norc", "-i"], folder, f"{show}; {bind}; source ../script; echo rea''dy'>'")
    yield shell.completed
    shell.close()


@pytest.fixture
def zsh(folder: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Completes]:
    needed("zsh")
    (folder.parent / "script").write_text(script("zsh", capsys))
    show = "show() { print -r \"<<$BUFFER>>\"; BUFFER= }; zle -N show; bindkey '^Xs' show"
    start = "autoload -Uz compinit; compinit -D -u; unsetopt beep list_beep auto_list; bindkey -e"
    shell = Typed(["zsh", "-f", "-i"], folder, f"{start}; {show}; source ../script; echo rea''dy'>'")
    yield shell.completed
    shell.close()


@pytest.fixture
def fish(folder: Path, capsys: pytest.CaptureFixture[str]) -> Completes:
    needed("fish")
    (folder.parent / "script").write_text(script("fish", capsys))

    def completed(line: str) -> str:
        asked = f"source ../script; complete -C {line!r}"
        done = subprocess.run(
            ["fish", "--no-config", "-c", asked], cwd=folder, capture_output=True, text=True, check=True
        )
        assert done.stderr == ""
        offered = {each.partition("\t")[0] for each in done.stdout.splitlines()}
        return f"{line.rpartition(' ')[0]} {offered.pop()} " if len(offered) == 1 else line

    return completed


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes(shell: str, request: pytest.FixtureRequest) -> None:
    completes = request.getfixturevalue(shell)
    assert {line: completes(line) for line in COMPLETED} == COMPLETED


def test_bash_completes_a_value_behind_an_equals_sign(bash: Completes) -> None:
    assert bash("resnet-dsl check --format=sar") == "resnet-dsl check --format=sarif "


def test_a_file_in_a_folder_with_a_blank_is_completed(bash: Completes, folder: Path) -> None:
    (folder / "my specs").mkdir()
    (folder / "my specs" / "net.resnet").touch()
    assert bash("resnet-dsl check my\\ s") == "resnet-dsl check my\\ specs/"
    assert bash("resnet-dsl check my\\ specs/n") == "resnet-dsl check my\\ specs/net.resnet "


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_has_every_command_and_option(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = script(shell, capsys)
    for name in COMMANDS:
        assert name in text
        for option in command_parser(name).option_names:
            assert (option.lstrip("-") if shell == "fish" else option) in text


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "invalid choice: 'tcsh'" in capsys.readouterr().err
