"""Attention pools, self-attention with relative positions and contexts, against the papers'."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import resnet_dsl
from resnet_dsl.backend.discovery import find_backend
from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.initial.seeded import random_state
from resnet_dsl.reference import evaluate
from resnet_dsl.verify.share import fresh_starts
from tests.support.agreement import assert_agreement

torch = pytest.importorskip("torch")
F = torch.nn.functional

# Radford et al. 2021, section 2.4: the query is the mean of the pixels, keys and values are it and them.
CLIP_POOL = """
block attention_pool(heads, embed) {
    tokens = x -> tokens(mean=true) -> positions([x.height * x.width + 1, 1])
    query = tokens -> pixel -> q_proj: conv(x.channels, 1x1, bias=true)
    keys = tokens -> k_proj: conv(x.channels, 1x1, bias=true)
    values = tokens -> v_proj: conv(x.channels, 1x1, bias=true)
    return query -> attention(keys, values, heads=heads) -> c_proj: fc(embed)
}
"""
CLIP = f"""
use resnetaa50
{CLIP_POOL}
model net {{
    base: resnetaa50
    input: 3x64x64
    stages: [1, 1, 1, 1]
    widths: [8, 8, 8, 16]
    stem: conv1: three_convs(4, 4, 8) -> bn1: bn -> relu -> avgpool(2)
    shortcut: D
    base_width: 64
    head: attnpool: attention_pool(heads=8, embed=16)
}}
"""


def clip_pool(x: torch.Tensor, own: dict[str, torch.Tensor], heads: int) -> torch.Tensor:
    """The pool as the paper has it, on tensors under its own names."""
    x = x.flatten(2).permute(2, 0, 1)
    x = torch.cat([x.mean(0, keepdim=True), x], 0) + own["positional_embedding"][:, None]
    found, _ = F.multi_head_attention_forward(
        query=x[:1], key=x, value=x, embed_dim_to_check=x.shape[-1], num_heads=heads,
        q_proj_weight=own["q_proj.weight"], k_proj_weight=own["k_proj.weight"],
        v_proj_weight=own["v_proj.weight"], in_proj_weight=None,
        in_proj_bias=torch.cat([own[f"{name}_proj.bias"] for name in "qkv"]),
        bias_k=None, bias_v=None, add_zero_attn=False, dropout_p=0.0,
        out_proj_weight=own["c_proj.weight"], out_proj_bias=own["c_proj.bias"],
        use_separate_proj_weight=True, training=False, need_weights=False,
    )  # fmt: skip
    return found.squeeze(0)


def test_the_pool_of_clip_takes_its_state_dict_and_computes_what_the_paper_says(tmp_path: Path) -> None:
    spec = tmp_path / "net.resnet"
    spec.write_text(CLIP)
    model = resnet_dsl.load(spec)
    state = random_state(model.program.graph, 3)
    theirs = theirs_of(state)
    torch.save({name: torch.from_numpy(value) for name, value in theirs.items()}, tmp_path / "clip.pt")
    taken = model.state(tmp_path / "clip.pt", names="clip")
    assert taken.keys() == state.keys()
    assert all((taken[name] == state[name]).all() for name in state)

    x = np.random.default_rng(0).standard_normal((2, 3, 64, 64))
    body = compile_source(Source("net", CLIP), overrides={"head": "none"})
    features = evaluate(body.graph, {name: state[name] for name, _ in body.graph.parameters()}, x)["output"]
    found = evaluate(model.program.graph, state, x)["output"]
    front = "visual.attnpool."
    own = {n.removeprefix(front): torch.from_numpy(v).double() for n, v in theirs.items() if front in n}
    wanted = clip_pool(torch.from_numpy(features), own, 8).numpy()
    assert found.shape == wanted.shape == (2, 16)
    assert np.abs(found - wanted).max() < 1e-11 * np.abs(wanted).max()


def theirs_of(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors as CLIP's file has them."""
    stem = {"conv1.0": "conv1", "conv1.1": "bn1", "conv1.3": "conv2", "conv1.4": "bn2", "conv1.6": "conv3"}
    renamed = {**stem, "bn1": "bn3"}
    found = {}
    for name, value in state.items():
        path, _, tensor = name.rpartition(".")
        path = renamed.get(path, path)
        for place in (1, 2):  # the pool before a projection has a number here
            path = path.replace(f"downsample.{place}", f"downsample.{place - 1}")
        if path == "attnpool.positions1":
            path = "attnpool"
        if path.endswith("_proj") and tensor == "weight":
            value = value.reshape(value.shape[:2])
        found[f"visual.{path}.{tensor}"] = value
    assert found["visual.attnpool.positional_embedding"].shape == (5, 64)
    return found


def returns(body: str, size: str = "16x6x7") -> resnet_dsl.Program:
    model = f"model m {{ input: {size}  stem: none  stages: [b]  head: none }}"
    return compile_source(Source("m", f"block b() {{ {body} }}\n{model}"))


BOTNET = """
    both = x -> qkv: conv(3 * x.channels, 1x1)
    query = both -> part(0, 3)
    key = both -> part(1, 3)
    return query -> attention(key, values=both -> part(2, 3), heads=4, relative=[x.height, x.width])"""


def relative_logits(q: torch.Tensor, rel: torch.Tensor) -> torch.Tensor:
    """Srinivas et al. 2021, appendix: along the last axis, by a shift of each row."""
    by_distance = torch.einsum("bhxyd,md->bhxym", q, rel)
    b, h, x, y, m = by_distance.shape
    flat = F.pad(by_distance.reshape(-1, y, m), (0, 1)).flatten(1)
    shifted = F.pad(flat, (0, m - y)).reshape(-1, y + 1, m)[:, :y, y - 1 :]
    return shifted.reshape(b, h, x, 1, y, y).expand(-1, -1, -1, x, -1, -1)  # every row sees every row


def botnet(x: torch.Tensor, own: dict[str, torch.Tensor], heads: int, scaled: bool) -> torch.Tensor:
    """The self-attention of the paper: content and both axes' distances."""
    batch, _, height, width = x.shape
    q, k, v = (
        each.unflatten(1, (heads, -1)).flatten(3) for each in F.conv2d(x, own["qkv.weight"]).chunk(3, 1)
    )
    scale = q.shape[2] ** -0.5
    maps = q.transpose(2, 3).reshape(batch, heads, height, width, -1)
    across = relative_logits(maps, own["width_rel"]).permute(0, 1, 2, 4, 3, 5)
    down = relative_logits(maps.transpose(2, 3), own["height_rel"]).permute(0, 1, 4, 2, 5, 3)
    positions = (across + down).flatten(4).flatten(2, 3)
    scores = scale * q.transpose(2, 3) @ k + (scale if scaled else 1.0) * positions
    return (v @ scores.softmax(3).transpose(2, 3)).reshape(batch, -1, height, width)


@pytest.mark.parametrize("scaled", [False, True])
def test_the_self_attention_of_botnet_is_the_paper_s(scaled: bool) -> None:
    text = BOTNET.replace("relative", "scale_positions=true, relative") if scaled else BOTNET
    program = returns(text)
    state = random_state(program.graph, 0)
    names = {"layer1.0.qkv.weight": "qkv.weight"}
    names |= {f"layer1.0.attention1.{axis}_rel": f"{axis}_rel" for axis in ("height", "width")}
    own = {names[name]: torch.from_numpy(value).double() for name, value in state.items()}
    x = np.random.default_rng(0).standard_normal((2, 16, 6, 7))
    found = evaluate(program.graph, state, x)["output"]
    wanted = botnet(torch.from_numpy(x), own, 4, scaled).numpy()
    assert np.abs(found - wanted).max() < 1e-12 * np.abs(wanted).max()


def test_the_context_of_gcnet_is_a_weighted_sum() -> None:
    mask = "x -> mask: conv(1, 1x1, bias=true) -> softmax(over=pixels)"
    program = returns(f"return x -> weighted_sum({mask})", "4xHxW")
    state = random_state(program.graph, 0)
    x = np.random.default_rng(0).standard_normal((2, 4, 5, 9))
    found = evaluate(program.graph, state, x)["output"]
    own = [torch.from_numpy(state[f"layer1.0.mask.{name}"]).double() for name in ("weight", "bias")]
    given = torch.from_numpy(x)
    mask = F.softmax(F.conv2d(given, *own).flatten(1), dim=1).unsqueeze(2)
    wanted = (given.flatten(2) @ mask).unsqueeze(3).numpy()
    assert np.abs(found - wanted).max() < 1e-13


def test_a_softmax_over_parts_is_one_of_branches() -> None:
    program = returns("return concat(x, 2 * x, x -> tanh) -> softmax(over=parts, parts=3)", "4xHxW")
    x = np.random.default_rng(0).standard_normal((2, 4, 5, 9))
    found = evaluate(program.graph, {}, x)["output"]
    given = torch.from_numpy(x)
    wanted = torch.stack([given, 2 * given, given.tanh()], 1).softmax(1).flatten(1, 2).numpy()
    assert np.abs(found - wanted).max() < 1e-14


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return x -> attention(x)", "takes 3 tensors, not 2; write `x -> attention(keys=…, values=…)`"),
        ("return x -> attention(conv(4, 1x1), x)", "must be a positive whole number"),
        ("return x -> attention(keys=conv(4, 1x1), values=x)", "attention of 16 channels to keys of 4"),
        ("return x -> attention(x, x -> maxpool(2))", "attention to keys and values of different sizes"),
        ("return x -> attention(x, x, heads=3)", "16 input channels cannot be split into 3 heads"),
        (
            "return x -> attention(x, x, relative=7)",
            "and it is 16x6x7; write `relative=6x7`",
        ),
        ("return x -> attention(x, x, scale_positions=true)", "must be `false` without `relative`"),
        ("return x -> positions(7x6)", "positions for a map of 7x6, and it is 16x6x7; write `size=6x7`"),
        ("return x -> pixel(6)", "16x6x7 has no row 6; rows and columns count from 0"),
        ("return x -> softmax(over=parts)", "must be 2 or more with `over=parts`"),
        ("return x -> softmax(parts=2)", "must be 1 unless `over=parts`"),
        ("return x -> softmax(over=parts, parts=3)", "16 input channels cannot be split into 3 parts"),
        ("return x -> weighted_sum(conv(3, 1x1))", "weighted sum of different shapes"),
        ("return x -> weighted_sum(weights=x -> conv(1, 1x1, stride=2))", "weighted sum of different shapes"),
    ],
)
def test_what_does_not_fit_is_said(body: str, said: str) -> None:
    with pytest.raises(CompileError) as found:
        returns(body)
    (error,) = found.value.diagnostics
    assert said in f"{error.message}; {error.hint}"


@pytest.mark.parametrize("step", ["tokens", "positions(7)", "attention(x, x, relative=7)"])
def test_what_needs_a_size_says_so_where_it_is_open(step: str) -> None:
    with pytest.raises(CompileError) as found:
        returns(f"return x -> {step}", "16xHxW")
    assert found.value.diagnostics[0].code == "E0307"


@pytest.mark.parametrize("backend", ["torch", "keras", "onnx"])
def test_vectors_of_rows_and_of_columns_start_apart_on_a_square_map(backend: str) -> None:
    text = "model m { input: 8x4x4  stem: attended  stages: []  head: gap -> fc(2) }"
    block = "block attended { return attention(x, x, x, heads=2, relative=[4, 4]) }"
    program = compile_source(Source("m.resnet", f"{block}\n{text}"))
    assert sum(name.endswith("_rel") for name, _ in program.graph.parameters()) == 2
    assert fresh_starts(program, find_backend(backend)) == ()


@pytest.mark.parametrize(
    "stem",
    [
        "pixel(row=1)",
        "adaptive_avgpool(2x3)",
        "upsample(size=4x5)",
        "upsample(size=4x4) -> pixel_unshuffle(2)",
    ],
)
def test_what_has_a_size_of_its_own_has_it_whatever_the_input_has(stem: str) -> None:
    """A fully connected layer behind it has to know how many values there are."""
    pytest.importorskip("keras")
    text = f"model net {{ input: 3xHxW  stages: []  stem: x -> {stem}  head: flatten -> fc(3) }}"
    program = compile_source(Source("net.resnet", text))
    assert_agreement(program, [(7, 9), (5, 4)], [("keras", "float64")], {"float64": 1e-12})
