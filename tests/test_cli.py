"""The command line: results on stdout, diagnostics on stderr, and the exit status."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resnet_dsl import shipped
from resnet_dsl.backend import discovery
from resnet_dsl.cli.commands import check as check_command
from resnet_dsl.cli.main import main
from resnet_dsl.cli.options import COMMANDS
from resnet_dsl.codegen.seal import LINE, sealed

GOOD = "# A small net.\nmodel net(n = 1) {\n    stages: [n, n]\n    block: basic\n}\n"
BAD = "model bad { stages: [1]  block: basik }\n"
WARN = "model warn { stages: [1, 1]  block: basic  outputs: [layer1] }\n"
HEADLINE = "442,664 parameters, 529.184 MMACs"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in a folder with three specs; returns status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "RESNET_DSL_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)
    for name, text in (("net", GOOD), ("bad", BAD), ("warn", WARN)):
        Path(f"{name}.resnet").write_text(text)

    def call(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def fakes(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two backends that need no framework: one writes text, one bytes."""
    folder = tmp_path_factory.mktemp("backends")
    for name, suffix, content in (
        ("texty", "_t.py", f"'# {LINE}\\n' + program.name + '\\n'"),
        ("bytey", ".bin", f"b'{LINE}\\x00\\xff'"),
    ):
        (folder / f"resnet_dsl_{name}.py").write_text(
            "from resnet_dsl.backend.interface import Backend\n"
            f"def render(program, state):\n    return {content}\n"
            f"BACKEND = Backend({name!r}, {suffix!r}, frozenset(), render)\n"
        )
    monkeypatch.syspath_prepend(folder)
    modules = {name: f"resnet_dsl_{name}" for name in ("bytey", "texty")}
    monkeypatch.setattr(discovery, "backend_modules", lambda: modules)


def stdin(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


# --- the command itself ------------------------------------------------------------------------


def test_version_and_help_go_to_stdout(run: Run) -> None:
    assert run("--version") == (0, "resnet-dsl 0.1.0\n", "")
    status, out, err = run("--help")
    assert (status, err) == (0, "")
    assert "compile" in out
    assert run("check", "--help")[0] == 0


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_function(name: str, run: Run) -> None:
    assert callable(COMMANDS[name].function)
    assert COMMANDS[name].help in run("--help")[1]
    assert run(*name.split(), "--help")[0] == 0


def test_no_command_is_a_usage_error(run: Run) -> None:
    assert run()[0] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chek", "a"], "no command `chek`; did you mean `check`?"),
        (["check", "net.resnet", "--fromat", "json"], "unknown option --fromat; did you mean `--format`?"),
        (["check"], "required: SPEC"),
        (["check", "net.resnet", "--format", "xml"], "invalid choice: 'xml'"),
        (["check", "nothing"], "no such file or shipped spec: nothing"),
        (["check", "no/file.resnet"], "no such file: no/file.resnet"),
        (["check", "net.resnet", "--set", "n"], "--set takes NAME=VALUE, not `n`"),
        (["check", "net.resnet", "--set", "=3"], "--set takes NAME=VALUE"),
        (["check", "net.resnet", "--set", "n="], "--set takes NAME=VALUE"),
        (["check", "net.resnet", "--set", "n=1", "--set", "n=2"], "--set n is given twice"),
        (["check", "net.resnet", "--model", "nett"], "no model `nett`; did you mean `net`?"),
        (["compile", "net.resnet", "--backend", "torhc"], "no backend `torhc`"),
        (
            ["compile", "net.resnet", "--emit", "netwrok"],
            "nothing to emit as `netwrok`; did you mean `network`?",
        ),
        (["compile", "net.resnet"], "either --backend NAME or --emit STAGE"),
        (["explain", "E9999"], "no code `E9999`"),
        (["fmt", "nothing.resnet"], "nothing.resnet: no such file"),
        (["summary", "net.resnet", "bad.resnet"], "unexpected argument `bad.resnet`"),
    ],
)
def test_usage_errors_are_one_line_and_status_2(run: Run, arguments: list[str], message: str) -> None:
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_options_may_stand_anywhere(run: Run) -> None:
    status, out, _ = run("check", "net.resnet", "--color", "never", "--set", "n=1", "net.resnet")
    assert status == 0
    assert out.count("net: ok") == 2


# --- check -------------------------------------------------------------------------------------


def test_a_fine_spec_is_one_line(run: Run) -> None:
    assert run("check", "net.resnet") == (0, f"net: ok ({HEADLINE})\n", "")


def test_a_wrong_spec_is_status_1_with_its_place_on_stderr(run: Run) -> None:
    status, out, err = run("check", "bad.resnet")
    assert (status, out) == (1, "")
    assert err.startswith("error[E0201]: unknown name `basik`\n  --> bad.resnet:1:33\n")


def test_all_specs_are_checked_and_the_worst_decides(run: Run) -> None:
    status, out, err = run("check", "bad.resnet", "net.resnet", "missing", "warn.resnet")
    assert status == 2
    assert [line.split(":")[0] for line in out.splitlines()] == ["net", "warn"]
    for part in ("error[E0201]", "warning[W0603]", "error: no such file or shipped spec: missing"):
        assert part in err


def test_a_warning_is_shown_and_changes_nothing(run: Run) -> None:
    status, out, err = run("check", "warn.resnet")
    assert status == 0
    assert out.startswith("warn: ok")
    assert err.startswith("warning[W0603]")


@pytest.mark.parametrize("format", ["json", "github", "sarif"])
def test_diagnostics_for_machines_are_the_result(run: Run, format: str) -> None:
    status, out, err = run("check", "bad.resnet", "net.resnet", "--format", format)
    assert (status, err) == (1, "")
    assert "E0201" in out
    if format != "github":
        json.loads(out)
    status, out, err = run("check", "net.resnet", "--format", format)
    assert (status, err) == (0, "")
    assert format == "github" or json.loads(out) is not None


def test_a_setting_is_checked_like_the_text(run: Run) -> None:
    status, _, err = run("check", "net.resnet", "--set", "clases=10")
    assert status == 1
    assert "E0205" in err
    assert "--set clases:1:1" in err
    assert run("check", "net.resnet", "--set", "n=[1,")[0] == 1


def test_a_spec_comes_from_stdin(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, GOOD)
    assert run("check", "-")[0] == 0
    stdin(monkeypatch, BAD)
    assert "--> <stdin>:1:33" in run("check", "-")[2]


def test_colour_is_an_option(run: Run) -> None:
    assert "\x1b[" not in run("check", "bad.resnet")[2]
    assert "\x1b[" in run("check", "bad.resnet", "--color", "always")[2]
    assert "\x1b[" in run("--color", "always", "check", "bad.resnet")[2]


# --- summary, expand, explain ------------------------------------------------------------------


def test_summary_as_table_and_as_json(run: Run) -> None:
    status, out, _ = run("summary", "net.resnet", "--set", "classes=10")
    assert status == 0
    assert "layer2" in out
    assert "layer2.0.conv1" not in out
    assert "layer2.0.conv1" in run("summary", "net.resnet", "--layers")[1]
    facts = json.loads(run("summary", "net.resnet", "--format", "json", "--set", "classes=10")[1])
    assert (facts["name"], facts["output"]) == ("net", [10])
    assert run("summary", "bad.resnet")[:2] == (1, "")


@pytest.mark.parametrize("stage", ["network", "graph", "ast"])
def test_expand_and_emit_print_the_same(run: Run, stage: str) -> None:
    status, out, err = run("expand", "net.resnet", "--format", stage)
    assert (status, err) == (0, "")
    assert out
    assert run("compile", "net.resnet", "--emit", stage) == (0, out, "")


def test_explain_prints_a_page_or_the_list(run: Run) -> None:
    assert run("explain", "e0301")[1].startswith("# E0301: ")
    assert len(run("explain")[1].splitlines()) > 20


def test_list_groups_by_folder_without_compiling(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    specs = Path("specs").absolute()
    (specs / "cifar").mkdir(parents=True)
    (specs / "cifar" / "small.resnet").write_text("\n# A small one.\n# More.\nthis does not parse")
    (specs / "alone.resnet").write_text("model alone {}")
    monkeypatch.setattr(shipped, "specs_folder", lambda: specs)
    lists = (shipped.files, shipped.models, shipped.shipped)
    for each in lists:
        each.cache_clear()
    try:
        assert run("list")[1] == "specs (1)\n  alone\n\ncifar (1)\n  small  A small one.\n"
        entries = json.loads(run("list", "--format", "json")[1])
    finally:
        for each in lists:
            each.cache_clear()
    assert entries[1] == {
        "name": "small", "folder": "cifar", "file": "cifar/small.resnet", "description": "A small one.",
        "params": None, "macs": None,
    }  # fmt: skip


def test_backends_are_listed(run: Run) -> None:
    status, out, _ = run("backends")
    assert status == 0
    assert {line.split()[0] for line in out.splitlines()} >= {"torch", "onnx"}


# --- compile -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("fakes")
class TestCompile:
    def test_the_name_is_the_model_s_and_what_was_written_is_said(self, run: Run) -> None:
        assert run("compile", "net.resnet", "--backend", "texty") == (0, f"wrote net_t.py ({HEADLINE})\n", "")
        assert Path("net_t.py").read_text() == sealed(f"# {LINE}\nnet\n")

    def test_output_is_a_file_a_folder_or_a_folder_to_be(self, run: Run) -> None:
        Path("there").mkdir()
        for output, path in (("x.py", "x.py"), ("there", "there/net_t.py"), ("a/b/", "a/b/net_t.py")):
            assert run("compile", "net.resnet", "--backend", "texty", "-o", output)[0] == 0
            assert Path(path).is_file()

    def test_several_artefacts_go_to_a_folder(self, run: Run) -> None:
        status, out, _ = run("compile", "net.resnet", "warn.resnet", "--backend", "all", "-o", "out")
        assert status == 0
        assert len(out.splitlines()) == 4
        assert sorted(p.name for p in Path("out").iterdir()) == [
            "net.bin",
            "net_t.py",
            "warn.bin",
            "warn_t.py",
        ]

    def test_stdout_takes_text(self, run: Run) -> None:
        expected = sealed(f"# {LINE}\nnet\n")
        assert run("compile", "net.resnet", "--backend", "texty", "-o", "-") == (0, expected, "")
        assert run("compile", "net.resnet", "--emit", "texty") == (0, expected, "")

    def test_stdout_takes_bytes_as_they_are(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="utf-8"))
        assert main(["compile", "net.resnet", "--backend", "bytey", "-o", "-"]) == 0
        assert raw.getvalue() == sealed(f"{LINE}\x00".encode() + b"\xff")

    def test_a_terminal_gets_no_bytes(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        status, _, err = run("compile", "net.resnet", "--backend", "bytey", "-o", "-")
        assert status == 2
        assert "not text" in err

    def test_stdout_takes_one_artefact(self, run: Run) -> None:
        status, _, err = run("compile", "net.resnet", "--backend", "all", "-o", "-")
        assert status == 2
        assert "one artefact" in err

    def test_nothing_is_written_if_one_spec_is_wrong(self, run: Run) -> None:
        status, out, _ = run("compile", "net.resnet", "bad.resnet", "--backend", "all", "-o", "out")
        assert (status, out) == (1, "")
        assert not Path("out").exists()

    def test_nothing_is_written_if_one_file_is_foreign(self, run: Run) -> None:
        Path("net_t.py").write_text("mine")
        status, out, err = run("compile", "net.resnet", "--backend", "all")
        assert (status, out) == (2, "")
        assert "net_t.py: exists and was not written by resnet-dsl" in err
        assert not Path("net.bin").exists()
        assert run("compile", "net.resnet", "--backend", "all", "--force")[0] == 0
        assert run("compile", "net.resnet", "--backend", "all")[0] == 0

    def test_two_specs_of_one_name_are_refused(self, run: Run) -> None:
        Path("again.resnet").write_text(GOOD)
        status, _, err = run("compile", "net.resnet", "again.resnet", "--backend", "texty")
        assert status == 2
        assert "twice" in err

    def test_places_that_cannot_be_written_are_status_2(self, run: Run) -> None:
        for output in ("no/net.py", "net.resnet/x.py", "net.resnet/"):
            status, _, err = run("compile", "net.resnet", "--backend", "texty", "-o", output)
            assert status == 2
            assert "net.resnet" in err or "does not exist" in err
        assert run("compile", "net.resnet", "--backend", "all", "-o", "net.resnet")[0] == 2

    def test_warnings_are_shown(self, run: Run) -> None:
        status, out, err = run("compile", "warn.resnet", "--backend", "texty")
        assert status == 0
        assert out.startswith("wrote warn_t.py")
        assert err.startswith("warning[W0603]")


# --- fmt ---------------------------------------------------------------------------------------

UGLY = "model   net{stages:[1]\n\n\n\nblock:basic}"


def test_fmt_rewrites_in_place_and_then_has_nothing_to_do(run: Run) -> None:
    Path("ugly.resnet").write_text(UGLY)
    assert run("fmt", "ugly.resnet", "--check")[:2] == (1, "would rewrite ugly.resnet\n")
    status, out, _ = run("fmt", "ugly.resnet", "--diff")
    assert status == 1
    assert out.startswith("--- ugly.resnet\n")
    assert Path("ugly.resnet").read_text() == UGLY
    assert run("fmt", "ugly.resnet")[:2] == (0, "rewrote ugly.resnet\n")
    assert run("fmt", "ugly.resnet") == (0, "", "")
    assert run("fmt", "ugly.resnet", "--check") == (0, "", "")
    assert run("check", "ugly.resnet")[0] == 0


def test_fmt_of_stdin_goes_to_stdout(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, UGLY)
    status, out, _ = run("fmt", "-")
    assert status == 0
    assert out.startswith("model net {")


def test_fmt_leaves_everything_if_one_text_does_not_parse(run: Run) -> None:
    Path("ugly.resnet").write_text(UGLY)
    Path("broken.resnet").write_text("model {")
    status, out, err = run("fmt", "ugly.resnet", "broken.resnet")
    assert (status, out) == (1, "")
    assert "broken.resnet:1:6" in err
    assert Path("ugly.resnet").read_text() == UGLY


# --- what goes wrong outside -------------------------------------------------------------------


def test_an_internal_error_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:

    def broken(_: object) -> Any:
        raise ZeroDivisionError("of\nours")

    monkeypatch.setattr(check_command, "check", broken)
    assert run("check", "x") == (2, "", "internal error: ZeroDivisionError: of ours; please report\n")
    monkeypatch.setenv("RESNET_DSL_TRACEBACK", "1")
    assert "Traceback" in run("check", "x")[2]


def test_an_interrupt_is_silent(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:

    def interrupted(_: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(check_command, "check", interrupted)
    assert run("check", "x") == (130, "", "")


def shell(command: str, **env: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[1]
    return subprocess.run(
        ["bash", "-c", f'run() {{ "{sys.executable}" -m resnet_dsl "$@"; }}; {command}'],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": f"{root}:{root / 'backends'}", **env},
    )  # fmt: skip


def test_the_module_is_the_command(run: Run) -> None:
    done = shell("run check net.resnet bad.resnet")
    assert done.returncode == 1
    assert done.stdout == f"net: ok ({HEADLINE})\n"
    assert done.stderr.startswith("error[E0201]")


def test_a_reader_that_stops_is_no_error_to_speak_of(run: Run) -> None:
    done = shell("run expand net.resnet --set n=400 --set strides=1 --format graph | head -1")
    assert done.stdout == "graph net\n"
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_status_2(run: Run) -> None:
    done = shell("run check net.resnet > /dev/full")
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_terminal_without_unicode_gets_escapes(run: Run) -> None:
    done = shell("run expand net.resnet --set n=2", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "\\u2026" in done.stdout
