"""A little of `make fuzz`: the corpus, some thousand random texts, some random networks in every backend."""

from __future__ import annotations

import gc
import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
import pytest

from fuzz import invariants, networks
from fuzz.engines import BARS, Check, Job, checks
from fuzz.findings import CORPUS, Finding, confirmed, minimised, save
from fuzz.front_end import main as front_end
from fuzz.front_end import replayed
from fuzz.invariants import Broken, OverTime, examine, limited
from fuzz.mutation import LONGEST, mutated, parts, seeds
from fuzz.random_block import values_for
from fuzz.random_network import RandomNetwork, random_network
from fuzz.referee import Unsuitable, job_of, noise
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.ir.graph import INPUT
from resnet_dsl.ir.ops import CATALOGUE
from resnet_dsl.ir.shapes import Extent
from resnet_dsl.reference.evaluation import apply, as_batch, called, tensors_of
from resnet_dsl.reference.standardising import Array, Axes, standardised
from resnet_dsl.verify.forward import error_of

TEXTS = 300
JUDGED, NORMALISING = 300, 30  # networks, and how many of them at least show how a norm is computed
NETWORKS, MOST = 300, 1200  # what is rare among the first has to be among so many


# --- texts -------------------------------------------------------------------------------------


def test_the_corpus_keeps_every_promise():
    files = sorted(CORPUS.rglob("*.resnet"))
    assert len(files) > 20
    assert replayed(files) == []
    assert front_end(["--replay"]) == 0


def test_mutated_texts_keep_every_promise():
    chance, start, outcomes = Random(0), seeds(), Counter()
    for _ in range(TEXTS):
        text = mutated(chance.choice(start), chance)
        assert len(text) <= LONGEST
        found = confirmed(text, lambda text: outcomes.update([examine(text)]))
        assert found is None, found
    # A mutation that only ever breaks the syntax tries nothing but the parser.
    assert outcomes["refused"] > TEXTS / 4
    assert min(outcomes["not parsed"], outcomes["compiled"]) > TEXTS / 100


def test_texts_are_made_of_every_kind_of_node():
    assert len(seeds()) > 80
    kinds = {"Argument", "Assign", "Call", "Declaration", "Expression", "Field", "Parameter"}
    assert parts().by_kind.keys() == kinds


def test_recipes_are_examined_with_their_files(monkeypatch):
    recipes = [text for text in seeds() if re.search(r"^recipe ", text, re.MULTILINE)]
    sound = [text for text in recipes if examine(text) == "compiled"]
    assert len(sound) >= 5
    monkeypatch.setattr(invariants, "ONE_IN", 1)
    assert {examine(text) for text in sound} == {"compiled"}
    monkeypatch.setattr(
        invariants, "recipe_files", lambda recipe, _: [(f"{recipe.name}.py", "def step(", "training")]
    )
    with pytest.raises(Broken, match=r"^script: \w+\.py: '\(' was never closed"):
        examine(sound[0])


def test_a_text_that_takes_too_long_is_found():
    with pytest.raises(OverTime, match=r"more than 0\.05 s of CPU"):
        for_ever()


@limited(0.05)
def for_ever() -> None:
    try:
        while True:
            pass
    except Exception:  # what a compiler might do
        pass


def test_the_garbage_of_the_process_is_not_on_a_texts_account():
    gc.collect()
    collected = [generation["collections"] for generation in gc.get_stats()]
    with limited(60):
        assert len([[] for _ in range(100_000)]) == 100_000
        assert [generation["collections"] for generation in gc.get_stats()] == collected
    assert gc.isenabled()


def broken(text: str) -> None:
    if "bad" in text and "worse" in text:
        raise Broken("word", f"{len(text)} letters")


def test_what_is_found_is_shortened_and_kept_once(tmp_path):
    text = "a (bad) thing\n  and b -> worse, by 33 points"
    finding = minimised(Finding.of(text, Broken("word", "45 letters")), broken)
    assert finding.text == "badworse"
    assert save(tmp_path, Finding.of(text, Broken("word", "45 letters")))
    assert not save(tmp_path, finding)
    (kept,) = tmp_path.glob("*.resnet")
    assert kept.read_text() == "badworse"
    assert "8 letters" in kept.with_suffix(".txt").read_text()


def test_a_process_that_ends_before_its_time_is_a_failure(tmp_path: Path, monkeypatch, capsys):
    (tmp_path / "sitecustomize.py").write_text("import atexit, os\natexit.register(os._exit, 7)\n")
    run = ["--unguided", "--executions", "20", "--jobs", "1"]
    assert front_end(run) == 0
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert front_end(run) == 1
    assert "a process ended with 7, before its time" in capsys.readouterr().out


# --- networks ----------------------------------------------------------------------------------


def test_every_argument_of_the_catalogue_can_be_drawn():
    assert all(values_for(rule) for op in CATALOGUE.values() for _, rule, _ in op.arguments())


def test_random_networks_compile_and_have_every_op():
    kinds: Counter[str] = Counter()
    for seed in range(MOST):
        if seed >= NETWORKS and kinds.keys() == CATALOGUE.keys():
            break
        text = random_network(seed).text
        assert examine(text) == "compiled", text
        graph = compile_source(Source("net.resnet", text)).graph
        kinds.update(node.op.kind for node in graph.nodes)
    assert kinds.keys() == CATALOGUE.keys()


FORMS = (
    r"input: \d+x\d+x\d+", r"input: \dxHxW", r"input: \d\n", "stem: none", "head: none", r"stages: \[\]",
    r"stages: \[\[", r"\d \* own", r"widths?: ", r"strides?: ", "outputs: ", "freeze: ", "const ", r"net\(p_",
    r"if \w+ == ", r"\w+: \w", r" \+ ", r" - \w", r" \* \w", "-> concat", r"skip=\w", r"\b\d: ",
    r" = \w+ \| ", "dilation=", "groups=", "pad=same", "ceil=true", "bias=true", r"kernel=\dx\d", "init=",
    r"\w\(x -> ", r"[123]x[45]", r"same1 = share\(", r"\d \* share\(", r"\w\[stage\]", "model row = net",
    "head: { kind: ", "return { p3: ", r"= x -> (\w+: )?helper\d.*\n.*\w\.p3", r"(\w+) = share\(helper\d",
    r"stages: .*stem -> own", r"stages: .*\.p\d -> own", r"-> \(2 \* own", r"skip=\w+\.p\d",
    r"skips?: \W?(stem|layer1)", "head: .*p3 -> ", r"outputs: .*\.p3", r"auxiliary: \[\w+",
    r"auxiliary: .*\.p",
)  # fmt: skip


def test_random_networks_have_every_form_of_the_language():
    texts = [random_network(seed).text for seed in range(NETWORKS)]
    assert [form for form in FORMS if not any(re.search(form, text) for text in texts)] == []


def test_a_network_is_its_seeds():
    assert random_network(7) == random_network(7)
    assert random_network(7).text != random_network(8).text


# --- the judge ---------------------------------------------------------------------------------


def wrong_eps(x: Array, axes: Axes, eps: float) -> tuple[Array, Array]:
    return standardised(x, axes, 2 * eps)


def unbiased(x: Array, axes: Axes, eps: float) -> tuple[Array, Array]:
    count = np.prod([x.shape[axis] for axis in axes])
    deviation = np.sqrt(x.var(axes, keepdims=True) * count / max(count - 1, 1) + eps)
    return (x - x.mean(axes, keepdims=True)) / deviation, deviation


def eps_outside_of_the_root(x: Array, axes: Axes, eps: float) -> tuple[Array, Array]:
    deviation = x.std(axes, keepdims=True) + eps
    return (x - x.mean(axes, keepdims=True)) / deviation, deviation


Norm = Callable[[Array, Axes, float], tuple[Array, Array]]


def error_with(job: Job, norm: Norm) -> float:
    """How far a network is off if its norms are computed by `norm`."""
    graph = compile_source(Source("net.resnet", job.text)).graph
    worst = 0.0
    for x, truth in zip(job.inputs, job.truths, strict=True):
        tensors, values = tensors_of(graph, job.state), {INPUT: as_batch(graph, x)}
        for node in graph.nodes:
            call = replace(called(node, tensors, values), standardise=norm)
            values[node.name] = apply(node, call, Extent(*x.shape[2:]))
        outputs = graph.inference.outputs
        worst = max([worst, *(error_of(values[result], truth[name]) for name, result in outputs)])
    return worst


@pytest.fixture(scope="module")
def normalising() -> list[Job]:
    """Random networks in which the way to compute a norm shows."""
    jobs = []
    for seed in range(JUDGED):
        with suppress(Unsuitable):
            jobs.append(job_of(random_network(seed))[0])
    return [job for job in jobs if error_with(job, unbiased) > BARS["float64"]]


@pytest.mark.parametrize("norm", [wrong_eps, unbiased, eps_outside_of_the_root])
def test_a_norm_that_is_computed_wrongly_is_no_rounding(norm: Norm, normalising: list[Job]):
    every = [(job, Check("torch float64", error_with(job, norm), BARS["float64"])) for job in normalising]
    checks = [(job, check) for job, check in every if not check.passed]  # twice an eps of 0 is none
    assert len(checks) >= NORMALISING
    # A network may stretch rounding until a fault drowns: one in a hundred does.
    assert sum(networks.is_rounding(*check) for check in checks) <= len(checks) / 30


@pytest.mark.parametrize("name", ["group_norm_of_one_value", "group_norm_of_nearly_the_same"])
def test_what_a_norm_of_nearly_one_value_leaves_is_rounding(name: str):
    pytest.importorskip("torch")
    job, _ = job_of(RandomNetwork(0, (CORPUS / "networks" / f"{name}.resnet").read_text(), ()))
    found = [check for check in islice(checks("torch", job), 3) if check.bar]
    assert [check.name for check in found] == ["torch float64", "torch float32"]
    past = [check for check in found if not check.passed]
    assert past
    for check in past:
        assert networks.is_rounding(job, check)
        assert not networks.is_rounding(job, replace(check, error=300 * check.error))


def test_what_a_running_sum_of_far_apart_channels_leaves_is_rounding():
    own = "block own() { return x * x -> mul(x) }"
    text = own + " model net { input: 6x9x8  stages: [2]  block: own  head: lrn(alpha=0.5, beta=2.0) }"
    job, _ = job_of(RandomNetwork(0, text.replace("head", "stem: none  head"), ()))
    assert noise(job, "float32") > 1e-3
    assert noise(job, "float64") < 1e-4


def test_what_is_below_the_smallest_number_is_rounding():
    own = "block own() { return x * 1e-25 }"
    text = own + " model net { input: 1x9x8  stem: none  stages: [2]  block: own  head: gap }"
    job, _ = job_of(RandomNetwork(0, text, ()))
    assert noise(job, "float32") == 1
    assert noise(job, "float64") < 1e-14


@pytest.mark.parametrize(
    ("steps", "wrong", "found"), [(4, False, ""), (1, False, ""), (1, True, "a gradient")]
)
def test_a_gradient_past_the_largest_number_is_no_finding(
    steps: int, wrong: bool, found: str, monkeypatch: pytest.MonkeyPatch
):
    torch = pytest.importorskip("torch")
    from fuzz import forms_torch

    loss = forms_torch._loss

    def spoilt(model, x):
        for parameter in model.parameters():
            parameter.register_hook(lambda gradient: gradient * torch.nan)
        return loss(model, x)

    if wrong:
        monkeypatch.setattr(forms_torch, "_loss", spoilt)
    head = f"scale -> {'exp -> ' * steps}hard_sigmoid"
    text = f"model net {{ input: 1x9x8  stem: none  stages: []  head: {head} }}"
    job, _ = job_of(RandomNetwork(0, text, ()))
    (trained,) = (check for check in checks("torch", job) if check.name == "torch training")
    assert trained.message.startswith(found)
    assert bool(trained.message) == wrong


@pytest.mark.slow
def test_random_networks_are_the_same_in_every_backend(capsys):
    assert networks.main(["--count", "15", "--seed", "1"]) == 0, capsys.readouterr().out


@pytest.mark.slow
def test_the_networks_of_the_corpus_are_the_same_in_every_backend(capsys):
    assert networks.main(["--replay"]) == 0, capsys.readouterr().out


def test_the_exit_status_says_whether_something_was_found(tmp_path: Path, monkeypatch, capsys):
    (tmp_path / "worse.resnet").write_text("model m { stages: [1] block: basic }")
    monkeypatch.setattr("fuzz.front_end.CORPUS", tmp_path)
    assert front_end(["--replay"]) == 0
    monkeypatch.setattr("fuzz.invariants.MEGABYTES", -1)
    assert front_end(["--replay"]) == 1
    assert "worse.resnet: Broken: memory" in capsys.readouterr().out
