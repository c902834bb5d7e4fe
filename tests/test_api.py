"""The library: load a spec, ask it for figures and texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import resnet_dsl
from tests.support.backends import in_full

TEXT = "model net(n = 1) { stages: [n, n]  block: basic }"


def test_a_text_loads_and_knows_its_cost() -> None:
    model = resnet_dsl.loads(TEXT, classes=10)
    assert model.name == "net"
    assert model.output == (10,)
    assert model.outputs == {"output": (10,)}
    assert model.input == (3, 224, 224)
    assert model.params == model.trainable == model.facts()["params"]
    assert model.macs == model.facts()["macs"]
    assert (model.depth, model.warnings) == (6, ())
    assert model.summary().startswith("net  (input 3x224x224)\n")
    assert model.expand() == model.expand("network")
    assert model.expand("graph").startswith("graph net\n")
    assert repr(model) == f"<resnet_dsl.Model net: {model.params:,} parameters>"


def test_a_file_loads_with_settings_of_python_s_kinds(tmp_path: Path) -> None:
    path = tmp_path / "net.resnet"
    path.write_text(TEXT)
    model = resnet_dsl.load(path, widths=[8, 16], input=(1, 28, 28), head=None, n=2)
    assert model.output == (16, 4, 4)


def test_errors_are_exceptions_that_carry_diagnostics() -> None:
    with pytest.raises(resnet_dsl.CompileError) as caught:
        resnet_dsl.loads("model net { stages: [1]  block: basik }")
    (found,) = caught.value.diagnostics
    assert isinstance(found, resnet_dsl.Diagnostic)
    assert (found.code, found.hint) == ("E0201", "did you mean `basic` or `bias`?")
    with pytest.raises(resnet_dsl.UsageError, match="no such file"):
        resnet_dsl.load("no/such.resnet")
    with pytest.raises(resnet_dsl.UsageError, match="no backend `torhc`"):
        resnet_dsl.loads(TEXT).render("torhc")
    with pytest.raises(ValueError, match="format must be"):
        resnet_dsl.loads(TEXT).expand("picture")


def test_only_public_names_are_offered() -> None:
    assert {"load", "loads", "CompileError", "UsageError", "Diagnostic"} <= set(dir(resnet_dsl))
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        resnet_dsl.laod  # noqa: B018


def test_a_model_runs_by_the_referee_alone_as_it_does_in_torch() -> None:
    model = resnet_dsl.load("cifar_resnet", n=1, input="3x16x16")
    x = np.random.default_rng(0).standard_normal((2, 3, 16, 16))
    built = in_full("torch").run(model.build("torch", seed=3), x)
    alone = model.run(x, seed=3)
    assert alone["output"].shape == (2, 10)
    np.testing.assert_allclose(alone["output"], built["output"], rtol=0, atol=1e-12)
