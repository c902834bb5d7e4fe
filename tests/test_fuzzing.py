"""A little of `make fuzz`: the corpus, some thousand random texts, some random networks in every backend."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from fuzz import networks
from fuzz.findings import CORPUS, Finding, confirmed, minimised, save
from fuzz.front_end import main as front_end
from fuzz.front_end import replayed
from fuzz.invariants import Broken, OverTime, examine, limited
from fuzz.mutation import LONGEST, mutated, parts, seeds
from fuzz.random_block import values_for
from fuzz.random_network import random_network
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.ir.ops import CATALOGUE

TEXTS = 300
NETWORKS = 300


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


# --- networks ----------------------------------------------------------------------------------


def test_every_argument_of_the_catalogue_can_be_drawn():
    assert all(values_for(rule) for op in CATALOGUE.values() for _, rule, _ in op.arguments())


def test_random_networks_compile_and_have_every_op():
    kinds = Counter()
    for seed in range(NETWORKS):
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
    r"\w\(x -> ", r"[123]x[45]",
)  # fmt: skip


def test_random_networks_have_every_form_of_the_language():
    texts = [random_network(seed).text for seed in range(NETWORKS)]
    assert [form for form in FORMS if not any(re.search(form, text) for text in texts)] == []


def test_a_network_is_its_seeds():
    assert random_network(7) == random_network(7)
    assert random_network(7).text != random_network(8).text


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
