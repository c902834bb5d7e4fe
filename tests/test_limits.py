"""Bounds: each has a row of the page and an input at it, and what is past one is refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from resnet_dsl.cli.main import main
from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.driver import compile_spec
from resnet_dsl.elaborate.arithmetic import ArithmeticProblem, compute
from resnet_dsl.limits import FILES, GROUPS, METADATA, OPS, TOKENS, VALUE, all_limits
from resnet_dsl.weights.formats.canonical import encode_named, read
from tools.limits import CASES, PAGE, command, safetensors
from tools.limits import Run as Measured

ROOT = Path(__file__).parents[1]
MODEL = "model net { stages: [1]  block: basic }\n"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in an empty folder; returns status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RESNET_DSL_TRACEBACK", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(arguments)
        return status, *capsys.readouterr()

    return call


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


# --- the table -----------------------------------------------------------------------------------


def test_every_bound_has_an_input_at_it_and_a_row_of_the_page() -> None:
    assert set(CASES) == set(all_limits())
    for limit in all_limits().values():
        assert f"| {limit.what} | {limit.most:,} |" in text_of(PAGE)


def test_no_bound_is_declared_elsewhere() -> None:
    """What says how much is shown or tried is none: nobody is refused for it."""
    shown = {"MAX_SHOWN", "MAX_WIDTH", "MAX_NAMES", "MAX_SUGGESTIONS", "MAX_LEVELS", "MAX_TRIES", "MAX_LINKS"}
    shown |= {"MAX_REGION", "MAX_ROUNDS", "MAX_REMEDIES", "MAX_LINE", "MAX_TRIALS", "MAX_TRIED"}
    written = {"MAX_CHAIN", "MAX_SIZE", "MAX_GAP"}
    kept_by_editors = {"MAX_APPLIED", "MAX_CHECKED", "MAX_MODELS", "MAX_TEXTS", "MAX_TREES"}
    looked_through = {"MAX_FILES", "MAX_FOLDERS"}
    found = {
        name
        for path in [*(ROOT / "resnet_dsl").rglob("*.py"), *(ROOT / "backends").rglob("*.py")]
        for name in re.findall(r"^(MAX_\w+) =", text_of(path), re.M)
    }
    assert found <= shown | written | kept_by_editors | looked_through


@pytest.mark.parametrize("sign", ["+", "-"])
def test_a_number_may_be_as_far_below_nothing_as_above(sign: str) -> None:
    ends = VALUE.most if sign == "+" else -VALUE.most
    assert compute(sign, 0, VALUE.most) == ends
    with pytest.raises(ArithmeticProblem, match="the number is too large"):
        compute(sign, ends, 1)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.dear])
def test_what_is_past_a_bound_is_refused_by_its_code(name: str, run: Run, tmp_path: Path) -> None:
    limit, case = all_limits()[name], CASES[name]
    size = case.size(limit.most) + case.step
    case.build(tmp_path, size)
    status, _, err = run(*command(case, size))
    assert status == (1 if limit.code else 2)
    assert err.startswith(f"error[{limit.code}]" if limit.code else "error: ")
    assert "internal" not in err


@pytest.mark.parametrize(
    "name", ["NESTING", "DIGITS", "NAME", "PATH", "FILES", "BASES", "CALLS", "AXES", "GROUPS"]
)
def test_what_is_at_a_bound_is_fine(name: str, run: Run, tmp_path: Path) -> None:
    case = CASES[name]
    size = case.size(all_limits()[name].most)
    case.build(tmp_path, size)
    assert run(*command(case, size))[0] == 0


def measured_apart(name: str, size: int) -> Measured:
    """Measure in a small process: what this one holds would count as that of the one it starts."""
    code = (
        f"import json; from tools.limits import measured; print(json.dumps(vars(measured({name!r}, {size}))))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return Measured(**json.loads(done.stdout))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.dear])
def test_what_is_past_a_bound_is_refused_in_little_time_and_memory(name: str) -> None:
    limit, case = all_limits()[name], CASES[name]
    found = measured_apart(name, case.size(limit.most) + case.step)
    assert limit.code in found.said
    assert found.refused
    assert found.seconds < 30  # on a busy machine; the page has what it takes on an idle one
    assert found.megabytes < 600


# --- what equal parts share is done once ---------------------------------------------------------

ALTERNATING = """block one(width) { return x -> conv(width, 1x1) -> bn -> relu }
model net { input: 1x2x2  stem: none  head: none  stages: [%d]  block: one  width: 1 + index %% 2 }
"""


@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_blocks_that_alternate_cost_what_blocks_cost(backend: str, run: Run) -> None:
    """With the square of their number, these would take minutes."""
    Path("net.resnet").write_text(ALTERNATING % 3_000)
    assert run("compile", "net.resnet", "--backend", backend, "-o", "net.py")[0] == 0
    assert len(text_of(Path("net.py"))) > 3_000 * len("One(1, 2)")


def test_a_field_that_asks_for_the_block_is_asked_for_each(run: Run) -> None:
    def widths(field: str) -> list[object]:
        text = (ALTERNATING % 4).replace("1 + index % 2", field)
        Path("net.resnet").write_text(text)
        stage = compile_spec("net.resnet").network.stages[0]
        return [dict(body.arguments)["width"] for body in stage.blocks]

    assert widths("1 + index // 3") == [1, 1, 1, 2]
    assert widths("if index == 2 then 5 else 3") == [3, 3, 5, 3]
    assert widths("7") == [7, 7, 7, 7]


def test_a_block_of_a_thousand_steps_compiles(run: Run) -> None:
    steps = " ".join(f"v{i} = {f'v{i - 1}' if i else 'x'} -> conv(width, 1x1)" for i in range(1_200))
    block = f"block one(width) {{ {steps} return v1199 }}\n"
    model = "model net { input: 1x2x2  stem: none  head: none  stages: [1]  block: one  width: 2 }"
    Path("net.resnet").write_text(block + model)
    assert run("compile", "net.resnet", "--backend", "torch", "-o", "net.py")[0] == 0


def test_a_step_so_wide_that_pixels_have_no_number_costs_nothing(run: Run) -> None:
    block = "block one(width) { return x -> conv(width, 1x1, stride=1000000000) }\n"
    model = "model net { input: 1x2x2  stem: none  head: none  stages: [33]  block: one  width: 2 }"
    Path("net.resnet").write_text(block + model)
    status, out, _ = run("summary", "net.resnet")
    assert status == 0
    assert len(out) < 2_000


# --- files that are used -------------------------------------------------------------------------


def refused(path: Path) -> list[str]:
    with pytest.raises(CompileError) as found:
        compile_spec(path)
    return [f"{item.code}: {item.message}" for item in found.value.diagnostics]


def test_a_file_that_uses_itself_a_thousand_times_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "net.resnet"
    path.write_text('use "net.resnet"\n' * 1_000 + MODEL)
    assert refused(path) == ["E0209: files use each other without end: net.resnet -> net.resnet"]


def test_twelve_files_that_all_use_each_other_are_told_once(tmp_path: Path) -> None:
    for own in range(12):
        uses = "".join(f'use "f{other}.resnet"\n' for other in range(12) if other != own)
        (tmp_path / f"f{own}.resnet").write_text(uses + f"const a{own} = 1\n" + MODEL)
    found = refused(tmp_path / "f0.resnet")
    assert found == ["E0209: files use each other without end: f0.resnet -> f1.resnet -> f0.resnet"]


def test_a_file_is_read_once_however_often_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = FILES.most - 1
    for index in range(FILES.most):
        uses = f'use "f{index + 1}.resnet"\nuse "./f{index + 1}.resnet"\n' if index < last else ""
        (tmp_path / f"f{index}.resnet").write_text(f"{uses}const a{index} = {index}\n")
    (tmp_path / "net.resnet").write_text('use "f0.resnet"\n' + MODEL.replace("}", f" width: a{last} }}"))
    program = compile_spec(tmp_path / "net.resnet")
    assert len(program.network.used) == FILES.most
    assert program.network.stages[0].blocks[0].output.channels == last


def test_many_texts_are_bounded_together(tmp_path: Path) -> None:
    for index in range(3):
        content = f"const a{index} = [{', '.join(['1'] * (TOKENS.most // 5))}]\n"
        (tmp_path / f"f{index}.resnet").write_text(content)
    (tmp_path / "net.resnet").write_text("".join(f'use "f{i}.resnet"\n' for i in range(3)) + MODEL)
    assert refused(tmp_path / "net.resnet")[-1].startswith("E0105: the texts have more than 25,000 words")


def test_what_cannot_be_opened_is_an_error_at_its_use(tmp_path: Path) -> None:
    (tmp_path / "a.resnet").symlink_to("b.resnet")
    (tmp_path / "b.resnet").symlink_to("a.resnet")
    (tmp_path / "latin.resnet").write_bytes(b"# \xe9\n")
    path = tmp_path / "net.resnet"
    for target, why in {
        "a.resnet": "`a.resnet` cannot be opened: Symlink loop",
        "n" * 300: "cannot be opened: File name too long",
        "latin.resnet": "latin.resnet: not UTF-8 text (byte 2, line 1, byte 3 of it: 0xe9)",
    }.items():
        path.write_text(f'use "{target}"\n{MODEL}')
        (found,) = refused(path)
        assert found.startswith("E0210: ")
        assert why in found


# --- files of weights ----------------------------------------------------------------------------


@pytest.mark.parametrize("opening", ['{"a":', "["])
@pytest.mark.parametrize("format", ["text", "json"])
def test_metadata_nested_too_deep_are_text(opening: str, format: str, run: Run, tmp_path: Path) -> None:
    for depth in (70, 500, 60_000):
        value = opening * depth + "1" + ("}" if "{" in opening else "]") * depth
        safetensors(tmp_path, {"__metadata__": {"resnet-dsl": value}})
        status, out, err = run("weights", "inspect", "w.safetensors", "--format", format)
        assert (status, err) == (0, "")
        assert value[:100] in out.replace("\\", "")


def test_metadata_nested_too_deep_are_text_in_h5_and_onnx(run: Run, tmp_path: Path) -> None:
    h5py, onnx = pytest.importorskip("h5py"), pytest.importorskip("onnx")
    value = '{"a":' * 500 + "1" + "}" * 500
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["resnet-dsl"] = value
        file.attrs["layer_names"] = [b"c"]
        file.create_dataset("c/c/kernel:0", data=np.zeros((1, 1, 2, 2), np.float32))
        file["c"].attrs["weight_names"] = [b"c/kernel:0"]
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [], []))
    onnx.helper.set_model_props(model, {"resnet-dsl": value, "other": value})
    (tmp_path / "w.onnx").write_bytes(model.SerializeToString())
    for name in ("w.h5", "w.onnx"):
        for format in ("text", "json"):
            assert run("weights", "inspect", name, "--format", format)[0] == 0


def test_a_group_that_holds_itself_and_another_s_datasets_is_read_once(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    from resnet_dsl_keras.weight_files import read as read_h5

    with h5py.File(tmp_path / "w.weights.h5", "w") as file:
        group = file.create_group("layers/conv2d/vars")
        group.attrs["name"] = "c"
        group.create_dataset("0", data=np.zeros((1, 1, 2, 2), np.float32))
        file["layers/again"] = file["layers"]
    assert list(read_h5(tmp_path / "w.weights.h5").tensors) == ["c.weight"]
    assert GROUPS.most > 8  # as deep as models within models go


def test_the_canonical_file_is_that_of_its_library(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    state = {
        "b.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
        'ü"\\\x1b\x7f\n': np.ones((2,), np.float32),
        "empty": np.zeros((0, 3), np.float32),
        "a": np.float32([1.5]),
    }
    metadata = {"x": 'é\n"', "list": [1, {"y": None}]}
    content = b"".join(encode_named(state, metadata, ".safetensors"))
    extra = {"resnet-dsl": json.dumps(metadata, sort_keys=True)}
    assert content == library.save({name: state[name] for name in sorted(state)}, metadata=extra)
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    found = read(path)
    assert found.metadata["resnet-dsl"] == metadata
    for name, value in library.load(content).items():
        assert np.array_equal(found.tensors[name].load(), value)


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}},
        {"a": {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]}},
        {"a": {"dtype": "F32", "shape": [2**70], "data_offsets": [0, 2**72]}},
        {"a": {"dtype": "F32", "shape": 4, "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [0], "data_offsets": [8, 4]}},
        {"__metadata__": {"a": 1}},
        {"__metadata__": [1]},
        [1],
    ],
)
def test_a_header_that_contradicts_itself_is_refused(header: object, run: Run) -> None:
    raw = json.dumps(header).encode()
    Path("w.safetensors").write_bytes(len(raw).to_bytes(8, "little") + raw)
    status, _, err = run("weights", "inspect", "w.safetensors")
    assert status == 2
    assert err.startswith("error: w.safetensors: cannot be read as a safetensors file: ")


def test_a_name_twice_in_a_header_is_refused(run: Run) -> None:
    entry = b'"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    raw = b"{%b,%b}" % (entry, entry)
    Path("w.safetensors").write_bytes(len(raw).to_bytes(8, "little") + raw)
    assert "a name is given twice" in run("weights", "inspect", "w.safetensors")[2]


# --- the streams and numbers of a command --------------------------------------------------------


def shell(line: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    line = line.replace("run ", f"{sys.executable} -m resnet_dsl ")
    return subprocess.run(
        ["bash", "-c", line], capture_output=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'backends'}", **env},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "status", "err"),
    [
        ("run list >&-", 2, b"error: output: Bad file descriptor\n"),
        ("run --help >&-", 2, b"error: output: Bad file descriptor\n"),
        ("run list 2>&- > /dev/null", 0, b""),
        ("run check no.resnet 2>&-", 2, b""),
        ("run check - <&-", 2, b"error: <stdin>: standard input is closed\n"),
        ("run fmt - <&-", 2, b"error: <stdin>: standard input is closed\n"),
        ("run check - <&- >&- 2>&-", 2, b""),
        ("run list > /dev/full", 2, b"error: output: No space left on device\n"),
        ("run check --help > /dev/full", 2, b"error: output: No space left on device\n"),
        ("run check no.resnet 2> /dev/full", 2, b""),
        ("run list > /dev/full 2> /dev/full", 2, b""),
        (
            "run compile resnet18 --backend torch -o - > /dev/full",
            2,
            b"error: output: No space left on device\n",
        ),
        ("(run explain; echo $? >&2) | true", 0, b"2\n"),
    ],
)
def test_a_stream_that_is_closed_full_or_left_is_no_traceback(line: str, status: int, err: bytes) -> None:
    done = shell(line)
    assert (done.returncode, done.stderr) == (status, err)


def test_a_file_does_not_take_the_place_of_a_closed_stdout(tmp_path: Path) -> None:
    done = shell(f"run compile resnet18 --backend torch -o {tmp_path}/net.py >&-")
    assert done.stderr == b"error: output: Bad file descriptor\n"
    assert text_of(tmp_path / "net.py").rstrip().endswith(("x", ")", "out"))


@pytest.mark.parametrize("env", [{}, {"LC_ALL": "C"}, {"PYTHONIOENCODING": "latin-1"}, {"PYTHONUTF8": "0"}])
def test_a_spec_on_stdin_is_utf_8_whatever_the_locale(env: dict[str, str]) -> None:
    fine = shell(f"printf '# \\303\\251\\n{MODEL.strip()}' | run check -", **env)
    assert (fine.returncode, fine.stderr) == (0, b"")
    bad = shell("printf 'const a = 1\\n# \\351' | run check -", **env)
    assert bad.returncode == 2
    assert bad.stderr == b"error: <stdin>: not UTF-8 text (byte 14, line 2, byte 3 of it: 0xe9)\n"


@pytest.mark.parametrize("value", ["-5", "nan", "inf", "1e3", "99999999999999999999", "9" * 5_000, "²", ""])
@pytest.mark.parametrize(
    "line",
    [
        "verify net.resnet --seed",
        "verify net.resnet --train-steps",
        "compile net.resnet -o - --seed",
        "weights init net.resnet -o w.safetensors --seed",
        "weights convert a.pth b.pth --spec net.resnet --partial --seed",
    ],
)
def test_a_number_out_of_range_is_a_usage_error(line: str, value: str, run: Run) -> None:
    Path("net.resnet").write_text(MODEL)
    status, _, err = run(*line.split(), value)
    assert status == 2
    assert "a whole number, 0 or more and at most " in err


@pytest.mark.parametrize(
    "value", ["9999999x9999999", "0x3", "-1x3", "3", "1e3x3", "²x3", "9" * 30 + "x1", "nanxnan"]
)
def test_a_size_out_of_range_is_a_usage_error(value: str, run: Run) -> None:
    Path("net.resnet").write_text(MODEL)
    status, _, err = run("verify", "net.resnet", f"--size={value}")
    assert status == 2
    assert err.startswith("error: ")
    assert "internal" not in err


def test_memory_that_does_not_suffice_is_one_line(tmp_path: Path) -> None:
    numbers = "model net { input: 90000x1x1  stem: none  head: gap -> fc(1000)  stages: [] }"
    (tmp_path / "net.resnet").write_text(numbers)
    done = shell(f"ulimit -v 400000; run weights init {tmp_path}/net.resnet -o {tmp_path}/w.safetensors")
    assert done.returncode == 2
    assert done.stderr == b"error: there is not enough memory for this\n"


def test_what_people_have_is_far_within(run: Run) -> None:
    assert OPS.most > 70_009  # ten thousand blocks of the usual kind
    Path("net.resnet").write_text("model net { stages: [1000, 1000, 1000]  block: basic  widths: [4, 4, 4] }")
    assert run("check", "net.resnet")[0] == 0
    assert METADATA.most > 10**6
