"""The part of a generated test that loads and runs a PyTorch artefact: plain source, no package of ours."""

from resnet_dsl.backend.interface import SelfTest

SOURCE = '''\
def torch_shapes(path):
    """Return the shape of each tensor by name."""
    state = _torch_model(path).state_dict()
    names = (name for name in state if not name.endswith("num_batches_tracked"))
    return {name: tuple(state[name].shape) for name in names}


def torch_outputs(path, state, x):
    """Return the outputs by name, in the dtype of `x`."""
    import torch

    model = _torch_model(path)
    tensors = {name: torch.from_numpy(value) for name, value in state.items()}
    for name, value in model.state_dict().items():
        if name.endswith("num_batches_tracked") or name in AUXILIARY:
            tensors[name] = value
    model.load_state_dict(tensors, strict=True)
    model = model.eval().to(torch.from_numpy(x).dtype)
    with torch.no_grad():
        result = model(torch.from_numpy(x))
    result = result if isinstance(result, dict) else {"output": result}
    return {name: value.numpy() for name, value in result.items()}


def _torch_model(path):
    pytest.importorskip("torch")
    module = load_source(path)
    classes = [value for value in vars(module).values() if isinstance(value, type)]
    return [value for value in classes if value.__module__ == module.__name__][-1]()
'''

SELF_TEST = SelfTest(SOURCE, shapes="torch_shapes", outputs="torch_outputs")
