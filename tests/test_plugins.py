"""Backends from outside: one that only compiles, one with every part, and some that are broken."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import resnet_dsl
from tests.support.plugins import FULL, ROOT, install, install_dot, register, run_cli

SPEC = "model small { input: 3x16x16  stem: conv(4, 3x3) -> bn -> relu  stages: []  head: gap -> fc(5) }"
BROKEN = {
    "absent": ("import gone", "cannot be imported: ModuleNotFoundError: No module named 'gone'"),
    "empty": ("", "resnet_dsl_empty.BACKEND is not defined"),
    "wrong": ("BACKEND = {'name': 'wrong'}", "resnet_dsl_wrong.BACKEND is of type dict, not Backend"),
    "raising": ("raise RuntimeError('two\\nlines')", "cannot be imported: RuntimeError: two lines"),
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a spec, and `dot` as the page has it."""
    folder = tmp_path_factory.mktemp("plugins")
    install_dot(folder)
    (folder / "small.resnet").write_text(SPEC)
    return folder


@pytest.fixture(scope="module")
def broken(place: Path) -> Path:
    folder = place / "broken"
    folder.mkdir()
    for name, (text, _) in BROKEN.items():
        install(folder, name, text)
    return folder


def ran(place: Path, *arguments: str, broken: Path | None = None) -> tuple[int, str, str]:
    path = (place, FULL, *([] if broken is None else [broken]))
    done = run_cli(*arguments, path=path, cwd=place)
    assert "Traceback" not in done.stderr, done.stderr
    assert "internal error" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def test_backends_lists_both_with_what_they_are(place: Path) -> None:
    status, out, err = ran(place, "backends")
    assert (status, err) == (0, "")
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in out.splitlines()}
    assert lines["dot"] == "installed; it has no runtime, and only compiles"
    assert lines["echo"] == "installed (numpy)"


def test_both_compile_and_the_one_with_weights_beside_writes_them(place: Path, tmp_path: Path) -> None:
    assert ran(place, "compile", "small.resnet", "--backend", "dot", "-o", str(tmp_path / "a.dot"))[0] == 0
    assert '"conv1" -> "bn1"' in (tmp_path / "a.dot").read_text()
    out = f"{tmp_path}/out/"
    status, _, err = ran(place, "compile", "small.resnet", "--backend", "echo", "--seed", "1", "-o", out)
    assert status == 0, err
    ops = json.loads((tmp_path / "out" / "small.json").read_text())["ops"]
    assert [op["op"] for op in ops] == ["conv", "bn", "relu", "gap", "fc"]
    assert np.load(tmp_path / "out" / "small.npz")["conv1.weight"].shape == (4, 3, 3, 3)


def test_weights_for_an_artefact_without_a_place_for_them_are_refused_or_named(
    place: Path, tmp_path: Path
) -> None:
    status, _, err = ran(place, "compile", "small.resnet", "--backend", "dot", "--seed", "1", "-o", "no.dot")
    assert (status, err) == (2, "error: dot artefacts have no place for weights\n")
    assert not (place / "no.dot").exists()
    status, _, err = ran(
        place, "compile", "small.resnet", "--backend", "all", "--seed", "1", "-o", f"{tmp_path}/"
    )
    assert (status, err) == (0, "note: dot artefacts have no place for weights\n")
    assert (tmp_path / "small.dot").exists()


def test_verify_goes_on_without_the_one_that_cannot_run_and_names_it(place: Path) -> None:
    names = "dot,echo,onnx"
    status, out, err = ran(place, "verify", "small.resnet", "--backends", names, "--train-steps", "1")
    assert (status, err) == (0, "")
    assert "\ndot: left out, it has no runtime\n" in out
    assert "\nonnx: left out of training, it has no trainer\n" in out
    assert re.search(r"^1 step of SGD .*  echo$", out, re.M)
    assert "verdict: identical" in out


def test_verify_of_nothing_that_runs_is_an_error_of_use(place: Path) -> None:
    status, out, err = ran(place, "verify", "small.resnet", "--backends", "dot")
    assert (status, out) == (2, "")
    assert err == "error: no backend is installed to verify; dot: left out, it has no runtime\n"


def test_a_wrong_start_is_a_failed_verdict_that_names_the_tensor(place: Path, tmp_path: Path) -> None:
    folder = tmp_path / "resnet_dsl_late"
    folder.mkdir()
    register(tmp_path, "late")
    for file in (FULL / "resnet_dsl_echo").glob("*.py"):
        text = file.read_text().replace("echo", "late").replace('".npz"', '".late"')
        text = text.replace(
            "initial_state(program.graph, 0))",
            '{**initial_state(program.graph, 0), "bn1.weight": np.zeros(4)})',
        )
        (folder / file.name).write_text(text)
    arguments = ("verify", "small.resnet", "--backends", "late")
    done = run_cli(*arguments, path=(place, tmp_path), cwd=place)
    assert done.returncode == 1, done.stderr
    assert "late: bn1.weight starts at 0, not at 1" in done.stdout
    assert "verdict: DIFFERENT" in done.stdout
    done = run_cli(*arguments, "--format", "json", path=(place, tmp_path), cwd=place)
    facts = json.loads(done.stdout)
    assert facts["passed"] is False
    assert facts["starts"] == {"late": [{"tensor": "bn1.weight", "wanted": "at 1", "found": "at 0"}]}


# A file of the plug-in, the line before which it is spoilt, how, and what `verify` says of it.
RUN, STEP = "    outputs = evaluate(", "        state, velocity = start"
FAILING = {
    "builds": (
        "runtime.py", "    return load_state(EchoModel", "raise RuntimeError('no\\x1b[2J build\\nhere')",
        "start, float64, float32, training: RuntimeError: no\\x1b[2J build here",
    ),
    "exits": ("runtime.py", RUN, "raise SystemExit('bye')", "float64, float32: SystemExit: bye"),
    "fills": ("runtime.py", RUN, "np.zeros(1 << 50)", "float64, float32: MemoryError: Unable to allocate"),
    "nothing": ("runtime.py", RUN, "return {}", "float64, float32: KeyError: 'output'"),
    "looks": ("runtime.py", "    results = evaluate_all(", "raise ValueError", "float64, float32: ValueE"),
    "trains": ("trainer.py", STEP, "    raise OSError('gone')", "training: OSError: gone"),
    "stops": ("trainer.py", STEP, "    return", "training: ValueError: there are fewer steps than lessons"),
    "quits": ("runtime.py", RUN, "__import__('os')._exit(7)", "float64: its process ended by an exit with"),
    "breaks": ("runtime.py", RUN, "__import__('os').abort()", "float64: its process ended by SIGABRT"),
}  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="a process is supervised where it can be copied safely")
def test_what_fails_or_dies_is_a_row_of_verify_and_the_others_go_on(place: Path, tmp_path: Path) -> None:
    for name, (spoilt, before, line, _) in FAILING.items():
        folder = tmp_path / f"resnet_dsl_{name}"
        folder.mkdir()
        register(tmp_path, name)
        for file in (FULL / "resnet_dsl_echo").glob("*.py"):
            text = file.read_text().replace("echo", name).replace('".npz"', f'".{name}"')
            if file.name == spoilt:
                assert before in text
                text = text.replace(before, f"    {line}\n{before}")
            (folder / file.name).write_text(text)
    arguments = ("verify", "small.resnet", "--size", "16x16", "--train-steps", "2")
    arguments += ("--backends", ",".join(["echo", *FAILING]))
    done = run_cli(*arguments, path=(place, FULL, tmp_path), cwd=place)
    assert done.returncode == 1, done.stderr
    for name, (_, _, _, words) in FAILING.items():
        assert f"\n{name}: fails in {words}" in done.stdout
    assert "\x1b" not in done.stdout
    assert re.search(r"^output at 16x16 +0\.0e\+00 ", done.stdout, re.M)
    assert "verdict: quits FAILS; breaks FAILS;" in done.stdout
    assert "DIFFERENT" not in done.stdout
    done = run_cli(*arguments, "--format", "json", path=(place, FULL, tmp_path), cwd=place)
    facts = json.loads(done.stdout)
    assert (done.returncode, facts["passed"]) == (1, False)
    assert {failure["backend"] for failure in facts["failures"]} == set(FAILING)
    assert facts["failures"][0] == {
        "backend": "quits", "doing": "float64", "reason": "its process ended by an exit with status 7",
    }  # fmt: skip
    (echo, *_) = facts["training"]
    assert (echo["backend"], echo["steps"], echo["each_step"]) == ("echo", 2, [0.0, 0.0])
    assert (echo["run"]["error"], echo["run"]["sensitivity"], echo["run"]["verdict"]) == (0.0, None, "same")


@pytest.mark.slow
def test_gen_test_leaves_out_what_has_no_self_test_and_the_rest_passes(place: Path, tmp_path: Path) -> None:
    assert ran(place, "compile", "small.resnet", "--backend", "all", "-o", f"{tmp_path}/")[0] == 0
    arguments = ("gen-test", "small.resnet", "--backends", "dot,echo,torch", "-o", f"{tmp_path}/")
    status, out, err = ran(place, *arguments)
    assert (status, err) == (0, "note: dot: left out, it has no self-test\n")
    assert "small.json, small_torch.py" in out
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert "4 passed" in done.stdout, done.stdout
    status, _, err = ran(place, "gen-test", "small.resnet", "--backends", "dot,echo", "-o", f"{tmp_path}/")
    assert status == 2
    assert err == "error: a test compares two backends or more; dot: left out, it has no self-test\n"


def test_weights_are_read_and_written_in_the_plug_in_s_format(place: Path, tmp_path: Path) -> None:
    path = str(tmp_path / "a.npz")
    assert ran(place, "weights", "init", "small.resnet", "--seed", "3", "-o", path)[0] == 0
    status, out, _ = ran(place, "weights", "inspect", path, "--spec", "small.resnet")
    assert status == 0
    assert "tensors of small fit\n" in out
    assert ran(place, "verify", "small.resnet", "--backends", "echo", "--weights", path)[0] == 0


def test_a_live_model_of_what_has_no_runtime_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(place)
    model = resnet_dsl.loads(SPEC)
    assert str(model.render("dot")).startswith("// Generated by resnet-dsl")
    with pytest.raises(resnet_dsl.UsageError, match="the dot backend has no runtime"):
        model.build("dot")
    with pytest.raises(resnet_dsl.UsageError, match="dot artefacts have no place for weights"):
        model.render("dot", seed=1)


def test_a_framework_that_lacks_something_itself_is_a_line(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from resnet_dsl.verify.run import runners
    from resnet_dsl.verify.share import absence

    text = """
from resnet_dsl.backend.interface import Backend, Capability

def load():
    import gone

BACKEND = Backend("half", ".half", frozenset(), lambda program, state: "", runtime=Capability((), load))
"""
    install(tmp_path, "half", text)
    for folder in (tmp_path, FULL):
        monkeypatch.syspath_prepend(folder)
    why = "the half model cannot be built here: ModuleNotFoundError: No module named 'gone'"
    half = runners(())[0]["half"]
    assert absence(half, asked=False) == why
    with pytest.raises(resnet_dsl.UsageError, match=why):
        absence(half, asked=True)


# --- what is broken ----------------------------------------------------------------------------


def test_a_broken_plug_in_is_a_line_of_backends(place: Path, broken: Path) -> None:
    status, out, err = ran(place, "backends", broken=broken)
    assert (status, err) == (0, "")
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in out.splitlines()}
    assert {name: lines[name] for name in BROKEN} == {name: words for name, (_, words) in BROKEN.items()}


@pytest.mark.parametrize("name", BROKEN)
def test_a_command_that_needs_a_broken_plug_in_says_so_in_one_line(
    name: str, place: Path, broken: Path
) -> None:
    line = f"error: backend {name}: {BROKEN[name][1]}\n"
    for arguments in (("compile", "--backend"), ("verify", "--backends"), ("gen-test", "--backends")):
        assert ran(place, arguments[0], "small.resnet", arguments[1], name, broken=broken) == (2, "", line)


def test_commands_that_do_not_need_it_are_as_ever(place: Path, broken: Path, tmp_path: Path) -> None:
    out = f"{tmp_path}/a.json"
    for arguments in (
        ("check", "small.resnet"),
        ("compile", "small.resnet", "--backend", "echo", "-o", out),
        ("weights", "init", "small.resnet", "-o", f"{tmp_path}/a.safetensors"),
        ("weights", "inspect", f"{tmp_path}/a.safetensors"),
    ):
        status, _, err = ran(place, *arguments, broken=broken)
        assert (status, err) == (0, ""), arguments


def test_verify_of_all_names_the_broken_ones_and_goes_on(
    place: Path, broken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from resnet_dsl.verify.run import runners
    from resnet_dsl.verify.share import absence

    for folder in (broken, place, FULL):
        monkeypatch.syspath_prepend(folder)
    found, left_out = runners(())
    assert {"echo", "torch"} <= set(found)
    assert absence(found["dot"], asked=False) == "it has no runtime"
    assert {name: words for name, (_, words) in BROKEN.items()}.items() <= left_out.items()


def test_plug_ins_import_of_the_compiler_what_a_backend_may(place: Path) -> None:
    files = [*place.glob("resnet_dsl_dot/*.py"), *FULL.glob("*/*.py")]
    assert len(files) == 5
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            if module.split(".")[0] == "resnet_dsl":
                assert module.startswith("resnet_dsl.backend."), f"{file.name}: {module}"


# --- what is no plug-in ------------------------------------------------------------------------


def test_a_module_that_is_only_called_like_a_backend_never_runs(tmp_path: Path) -> None:
    (tmp_path / "resnet_dsl_experiments.py").write_text("open('it_ran', 'w')\n")
    (tmp_path / "json.py").write_text("open('it_ran', 'w')\n")
    (tmp_path / "small.resnet").write_text(SPEC)
    for arguments in (
        ("backends",),
        ("weights", "init", "small.resnet", "-o", "a.safetensors"),
        ("weights", "inspect", "a.safetensors", "--spec", "small.resnet"),
        ("check", "small.resnet"),
        ("compile", "small.resnet", "--backend", "experiments"),
    ):
        done = run_cli(*arguments, cwd=tmp_path)
        assert done.returncode == (2 if "experiments" in arguments else 0), done.stderr
        assert "experiments" not in done.stdout
    assert "no backend `experiments`" in done.stderr
    assert not (tmp_path / "it_ran").exists()
