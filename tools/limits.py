"""Every bound of the compiler, measured: the largest input within it, and the smallest past it.

`make limits` builds both for each row of `resnet_dsl/limits.py`, runs the command that has most to do
with them in a process of its own, and writes `docs/limits.md` with the time and memory that it took.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "backends")]

from resnet_dsl.limits import Limit, all_limits  # noqa: E402

PAGE = ROOT / "docs" / "limits.md"
SPEC = "net.resnet"
ROWS = "model net { input: 1x2x2  stem: none  stages: [1]  width: 1  block: basic  head: gap -> fc(1) }\n"
MODEL = "model net { stages: [1]  block: basic }\n"


def the_same(most: int) -> int:
    """Return the limit itself: the input's own size is what is bounded."""
    return most


@dataclass(frozen=True)
class Case:
    """Inputs at a bound: `build` writes one of a size into a folder, and `command` reads it.

    `size` is the largest that is fine where that is not the limit itself; the next is refused.
    `step` is how much more is refused, where one more costs less than the bound counts. Without
    `within` the largest is what only a person in earnest asks for, and is not run; `dear` says that
    even the refusal takes a second or more. `{size}` in the command is the size.
    """

    build: Callable[[Path, int], object]
    command: tuple[str, ...] = ("check", SPEC)
    size: Callable[[int], int] = the_same
    step: int = 1
    within: bool = True
    dear: bool = False


def spec(write: Callable[[int], str]) -> Callable[[Path, int], object]:
    """Return what writes a spec of a size."""
    return lambda folder, size: (folder / SPEC).write_text(write(size), encoding="utf-8")


def constant(value: str, before: str = "") -> str:
    """Return a spec with a constant that its model takes."""
    model = "model net { stages: [1]  block: basic  width: if a == 1 then 8 else 4 }"
    return f"{before}const a = {value}\n{model}\n"


def pixel(fields: str, block: str = "x -> conv(width, 1x1)", input: str = "1x2x2", name: str = "one") -> str:
    """Return a spec of blocks on a small map, without stem and head."""
    return (
        f"block {name}(width) {{ return {block} }}\n"
        f"model net {{ input: {input}  stem: none  head: none  block: {name}  {fields} }}\n"
    )


def _files(folder: Path, size: int) -> None:
    for index in range(size):
        following = f'use "f{index + 1}.resnet"\n' * 2 if index + 1 < size else ""
        (folder / f"f{index}.resnet").write_text(f"{following}const a{index} = {index}\n")
    (folder / SPEC).write_text(f'use "f0.resnet"\n{MODEL}')


def _path(folder: Path, size: int) -> None:
    (folder / "f.resnet").write_text("const a = 1\n")
    (folder / SPEC).write_text(f'use "{"/" * (size - 9)}f.resnet"\n{MODEL}'.replace('use "', 'use ".', 1))


def _bases(size: int) -> str:
    return MODEL.replace("net", "m0") + "\n".join(f"model m{i} {{ base: m{i - 1} }}" for i in range(1, size))


def _calls(size: int) -> str:
    blocks = ["block b0(width) { return x -> conv(width, 1x1) }"]
    blocks += [f"block b{i}(width) {{ return x -> b{i - 1}(width) }}" for i in range(1, size - 1)]
    return "\n".join(blocks) + "\n" + pixel("stages: [1]  width: 2", f"x -> b{size - 2}(width)")


def _chain(size: int) -> str:
    return constant(
        f"c{size}",
        "const c0 = 1\n" + "".join(f"const c{i} = c{i - 1}\n" for i in range(1, size + 1)),
    )


def _names(size: int) -> str:
    inner = f"block inner(width) {{ return x -> {'i' * 90}: relu }}\n"
    steps = " -> ".join(f"{letter * 90}: inner(width)" for letter in "ab")
    return inner + pixel(f"stages: [{size}]  width: 2", f"x -> {steps}")


# --- weights -------------------------------------------------------------------------------------


def safetensors(folder: Path, header: Mapping[str, object], length: int = 0) -> None:
    """Write a file with this header, filled up to a length."""
    raw = json.dumps(header, separators=(",", ":")).encode().ljust(length)
    (folder / "w.safetensors").write_bytes(len(raw).to_bytes(8, "little") + raw)


def _entry(*shape: int) -> dict[str, object]:
    return {"dtype": "F32", "shape": [0, *shape], "data_offsets": [0, 0]}


def _hole(text: str, name: str, shape: Callable[[int], list[int]]) -> Callable[[Path, int], object]:
    """Return what writes a spec, and a tensor of as many elements, whose values are a hole."""

    def write(folder: Path, size: int) -> None:
        (folder / SPEC).write_text(text)
        entry = {"dtype": "F32", "shape": shape(size), "data_offsets": [0, 4 * size]}
        safetensors(folder, {name: entry})
        path = folder / "w.safetensors"
        os.truncate(path, path.stat().st_size + 4 * size)

    return write


def _metadata(folder: Path, size: int) -> None:
    value = f"[{'[],' * (size // 4)}[]".ljust(size - 1) + "]"
    safetensors(folder, {"__metadata__": {"resnet-dsl": value}})


def _groups(folder: Path, size: int) -> None:
    import h5py

    with h5py.File(folder / "w.weights.h5", "w") as file:
        inner = file.create_group("/".join(["g"] * (size - 1)) + "/vars")
        inner.attrs["name"] = "conv"
        inner.create_dataset("0", data=[1.0])


def _field(number: int, content: bytes) -> bytes:
    """A field of a protobuf message."""
    length, size = b"", len(content)
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def _graph(folder: Path, size: int) -> None:
    """A model with one node of that size, most of which says what it is for."""
    relu = _field(1, b"x") + _field(2, b"y") + _field(4, b"Relu")
    node = _field(1, relu + _field(6, b"-" * (size - len(relu) - 6)))
    (folder / "w.onnx").write_bytes(b"\x08\x08" + _field(7, node))


def _nodes(folder: Path, size: int) -> None:
    """A chain of nodes, each of which takes one value."""
    from onnx import helper

    names = ["x", *(f"v{number}" for number in range(size // 2))]
    nodes = [helper.make_node("Relu", [given], [result]) for given, result in pairwise(names)]
    ends = [helper.make_tensor_value_info(name, 1, [1, 3, 8, 8]) for name in (names[0], names[-1])]
    model = helper.make_model(helper.make_graph(nodes, "net", ends[:1], ends[1:]))
    (folder / "w.onnx").write_bytes(model.SerializeToString())


def _opcodes(folder: Path, size: int) -> None:
    import zipfile

    body = b"\x80\x02}(" + b"X\x01\x00\x00\x00aN" * ((size - 5) // 2) + b"u."
    with zipfile.ZipFile(folder / "w.pth", "w") as archive:
        for name, content in (("data.pkl", body), ("version", b"3\n"), ("byteorder", b"little")):
            archive.writestr(f"w/{name}", content)


def inspect(suffix: str) -> tuple[str, ...]:
    """Return the command that reads a file of weights."""
    return ("weights", "inspect", f"w{suffix}")


TINY = spec(lambda size: pixel("stages: [1]  width: 2"))
CASES = {
    "TEXT_BYTES": Case(spec(lambda n: MODEL + "#" * (n - len(MODEL)))),
    "TOKENS": Case(
        spec(lambda n: f"const a = [{', '.join(['1'] * n)}]\n{MODEL}"),
        ("fmt", "--diff", SPEC), lambda most: (most - 16) // 2,
    ),
    "NESTING": Case(spec(lambda n: constant("(" * n + "1" + ")" * n))),
    "STEPS": Case(spec(lambda n: constant("1" + " + 1" * n)), size=lambda most: most - 3),
    "DIGITS": Case(spec(lambda n: constant("9" * n))),
    "CHARACTERS": Case(spec(lambda n: constant("0." + "1" * (n - 2)))),
    "NAME": Case(spec(lambda n: constant("1", f"const {'n' * n} = 1\n"))),
    "PATH": Case(_path),
    "FILES": Case(_files),
    "BASES": Case(spec(_bases)),
    "CALLS": Case(spec(_calls)),
    "CHAIN": Case(spec(_chain), size=lambda most: most - 1),
    "OPS": Case(spec(lambda n: pixel(f"stages: [{n}]  width: 2")), size=lambda most: most - 2, dear=True),
    "NAMES": Case(
        spec(_names), size=lambda most: most // 410, step=2_000, dear=True,
    ),
    "EVALUATIONS": Case(
        spec(lambda n: pixel(f"stages: [{n}]  width: index", "x -> leaky_relu(1 / (width + 2))")),
        size=lambda most: most // 36, step=1_000, dear=True,
    ),
    "LIST": Case(
        spec(lambda n: constant(f"[{', '.join(['1'] * n)}]")), size=lambda most: most - 1
    ),
    "VALUE": Case(spec(lambda n: constant(f"{10**9} * {10**9} + {n - 10**18}"))),
    "EXPONENT": Case(spec(lambda n: constant(f"1 ** {n}"))),
    "ARGUMENT": Case(spec(lambda n: pixel(f"stages: [1]  width: {n}"))),
    "SHRINKING": Case(
        spec(lambda n: pixel(f"stages: [{n}]  width: 1", "x -> maxpool(1, stride=2)", "1xHxW")),
        size=lambda most: most - 1,
    ),
    "PARAMETERS": Case(
        spec(lambda n: pixel(f"stages: [1]  width: {n}", input=f"{10**9}x2x2")),
        size=lambda most: most // 10**9,
    ),
    "CONSTANTS": Case(
        spec(lambda n: pixel("stages: [1]  width: 1", "x -> blurpool(7)", f"{n}x9x9")),
        ("compile", SPEC, "--backend", "onnx", "-o", "net.onnx"), lambda most: most // 49,
    ),
    "TENSORS": Case(
        lambda f, n: safetensors(f, {f"t{i}": _entry() for i in range(n)}), inspect(".safetensors")
    ),
    "AXES": Case(lambda f, n: safetensors(f, {"t": _entry(*[2**40] * (n - 1))}), inspect(".safetensors")),
    "HEADER": Case(lambda f, n: safetensors(f, {}, n), inspect(".safetensors")),
    "METADATA": Case(_metadata, inspect(".safetensors")),
    "GROUPS": Case(_groups, inspect(".weights.h5")),
    "GRAPH": Case(_graph, inspect(".onnx")),
    "NODES": Case(_nodes, inspect(".onnx"), step=2),
    "OPCODES": Case(_opcodes, inspect(".pth"), step=2, dear=True),
    "ADAPTED": Case(
        _hole(pixel("stages: [1]  width: 1"), "layer1.0.conv1.weight", lambda n: [1, n, 1, 1]),
        (*inspect(".safetensors"), "--spec", SPEC, "--adapt-input"),
    ),
    "CHOSEN": Case(
        _hole(ROWS, "fc.weight", lambda n: [n, 1]),
        (*inspect(".safetensors"), "--spec", SPEC, "--classes", "0"), within=False,
    ),
    "SEED": Case(TINY, ("weights", "init", SPEC, "-o", "w.safetensors", "--seed", "{size}")),
    "TRAINING": Case(TINY, ("verify", SPEC, "--train-steps", "{size}"), within=False),
    "ACTIVATIONS": Case(
        TINY, ("verify", SPEC, "--size", "{size}x1"), lambda most: most // 2, within=False
    ),
}  # fmt: skip


# --- measuring -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """What a command ended with, and what it took."""

    status: int
    said: str
    seconds: float
    megabytes: int

    @property
    def refused(self) -> bool:
        """Whether anything was wrong; `fmt` ends with 1 where there is something to rewrite."""
        return "error" in self.said


def command(case: Case, size: int) -> list[str]:
    """Return the command for an input of a size."""
    return [part.replace("{size}", str(size)) for part in case.command]


def measured(name: str, size: int) -> Run:
    """Run the command of a bound on an input of a size, in a process of its own.

    So is the input built: what this process ever held would count as the command's, which it starts.
    """
    case = CASES[name]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        subprocess.run([sys.executable, __file__, "--build", name, str(size), temporary], check=True)
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'backends'}"}
        with (folder / "said").open("w+b") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "resnet_dsl", *command(case, size)],
                cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=said,
            )  # fmt: skip
            _, status, used = os.wait4(process.pid, 0)
            said.seek(0)
            text = said.read().decode("utf-8", "replace")
    seconds = used.ru_utime + used.ru_stime
    return Run(os.waitstatus_to_exitcode(status), text, seconds, used.ru_maxrss // 1024)


HEAD = """# Limits

A text or file can come from anyone, so that what it may ask for is bounded. A text is done or refused
within about two seconds and 300 MB, a file of weights within about five seconds and twice its size, beside
what the packages need to start. Real networks lie far below: ResNet-1202 has 4,211 ops, ResNet-6002 of
the same kind 21,011.

`make limits` measures this table: for each bound (`resnet_dsl/limits.py`) the largest input within it, and
that the next is refused. Seconds of the processor and MB are those of the whole process.

| bound | at most | past it | measured by | seconds | MB |
|---|---|---|---|---|---|
"""


def row(name: str, limit: Limit) -> str:
    """Measure a bound and return its row of the table."""
    case = CASES[name]
    size = case.size(limit.most)
    refused = measured(name, size + case.step)
    if not refused.refused or limit.code not in refused.said:
        raise SystemExit(f"{name}: {size + case.step} is not refused by {limit.code}: {refused.said}")
    found = ["in earnest only", ""]
    if case.within:
        run = measured(name, size)
        if run.refused:
            raise SystemExit(f"{name}: {size} is refused: {run.said}")
        found = [f"{run.seconds:.1f}", str(run.megabytes)]
    done = case.command[0] if case.command[0] != "weights" else " ".join(case.command[:2])
    past = f"`{limit.code}`" if limit.code else "refused"
    return f"| {limit.what} | {limit.most:,} | {past} | `{done}` | {' | '.join(found)} |"


def main() -> None:
    """Write the page, or build one input."""
    if sys.argv[1:2] == ["--build"]:
        name, size, folder = sys.argv[2:]
        CASES[name].build(Path(folder), int(size))
        return
    rows = []
    for name, limit in all_limits().items():
        rows.append(row(name, limit))
        print(rows[-1], flush=True)
    PAGE.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
