"""Memory as the graph tells it: by hand for a small net, and against what PyTorch really keeps."""

from __future__ import annotations

import pytest

import resnet_dsl
from resnet_dsl.analysis.memory import DTYPES, Memory, memory_of
from resnet_dsl.ir.ops import CATALOGUE

TINY = """
model tiny {
    input: 3x8x8
    stem: conv(4, 3x3) -> bn -> relu -> maxpool(2x2)
    stages: []
    head: gap -> fc(5)
}
"""


def memory(text: str, **how: object) -> Memory:
    return memory_of(resnet_dsl.loads(text).program.graph, **how)  # type: ignore[arg-type]


def test_memory_by_hand() -> None:
    found = memory(TINY)
    params = 4 * 3 * 9 + 4 + 4 + 4 * 5 + 5
    assert found.weights == 4 * (params + 8)
    assert found.gradients == found.optimizer == 4 * params
    image, map_, pooled = 3 * 64, 4 * 64, 4 * 16
    # At the norm: the image, what the convolution gave and what the norm makes of it; relu overwrites that.
    assert found.live == 4 * (image + 2 * map_)
    # Image for the convolution, its result for the norm, relu's own result, which is the pool's input, the
    # places of the maxima, and the four means for the classifier.
    assert found.kept == 4 * (image + 2 * map_ + 4) + 8 * pooled
    assert found.inference == found.weights + found.live
    assert found.training == found.weights + found.gradients + found.optimizer + found.kept


def test_memory_grows_with_the_batch_and_the_kind_of_number() -> None:
    one, many = memory(TINY), memory(TINY, batch=32, dtype="float16", optimizer="adam")
    assert one.live is not None
    assert (2 * many.weights, 2 * many.live) == (one.weights, 32 * one.live)
    assert many.optimizer == 2 * many.gradients == one.gradients
    assert memory(TINY, optimizer="sgd").optimizer == 0
    assert set(DTYPES) == {"float16", "bfloat16", "float32", "float64"}


def test_what_comes_before_all_that_is_trained_keeps_nothing() -> None:
    frozen = memory(TINY.replace("stages: []", "stages: []  freeze: [stem]"))
    assert frozen.kept == 4 * 4
    assert frozen.gradients == 4 * (4 * 5 + 5)


def test_an_open_input_is_not_known() -> None:
    found = memory(TINY.replace("3x8x8", "3xHxW"))
    assert (found.live, found.kept, found.inference, found.training) == (None, None, None, None)


def test_a_skip_is_held_until_it_is_added() -> None:
    text = TINY.replace("stages: []", "stages: [1]  widths: 4  block: same").replace(" -> maxpool(2x2)", "")
    block = "block same(width) { return (x -> conv(width, 3x3) -> conv(width, 3x3)) + x }"
    # The image, x, and what the second convolution takes and gives.
    assert memory(block + text).live == 4 * (3 * 64 + 3 * 4 * 64)


def saved_by_torch(name: str, batch: int, **settings: object) -> int:
    """What autograd keeps of a forward pass, each storage once and without the weights."""
    torch = pytest.importorskip("torch")
    model = resnet_dsl.load(name, **settings)
    network = model.build("torch", seed=0)
    network.train()
    weights = {tensor.untyped_storage().data_ptr() for tensor in network.state_dict().values()}
    found: dict[int, int] = {}
    alive = []

    def pack(tensor):  # type: ignore[no-untyped-def]
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            found[storage.data_ptr()] = storage.nbytes()
            alive.append(storage)  # so that no other gets its place
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        network(torch.zeros(batch, *model.input))
    return sum(found.values())


TOLERANCE = 0.02
"""Statistics of batches and weights that are made anew, which are not counted, are within it."""


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("resnet20", {}),
        ("resnet18", {"input": "3x64x64"}),
        ("resnet50", {"input": "3x64x64"}),
        ("mobilenet_v2", {"input": "3x64x64"}),
        ("densenet121", {"input": "3x64x64"}),
        ("preresnet20", {}),
        ("skresnet50", {"input": "3x64x64"}),
    ],
)
def test_what_training_keeps_is_what_torch_keeps(name: str, settings: dict[str, object]) -> None:
    kept = memory_of(resnet_dsl.load(name, **settings).program.graph, batch=8).kept
    assert kept == pytest.approx(saved_by_torch(name, 8, **settings), rel=TOLERANCE)


@pytest.mark.parametrize("kind", CATALOGUE)
def test_an_op_keeps_what_there_is(kind: str) -> None:
    assert set(CATALOGUE[kind].keeps) <= {"inputs", "result", "mask", "indices"}
