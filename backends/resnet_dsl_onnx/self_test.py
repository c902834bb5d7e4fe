"""The part of a generated test that loads and runs an ONNX artefact: plain source, no package of ours."""

from resnet_dsl.backend.interface import SelfTest

SOURCE = '''\
def onnx_shapes(path):
    """Return the shape of each tensor by name."""
    tensors = _onnx_weights(_onnx_model(path))
    return {tensor.name: tuple(tensor.dims) for tensor in tensors}


def onnx_outputs(path, state, x):
    """Return the outputs by name; onnxruntime has no double precision, so there is none here."""
    if x.dtype != np.float32:
        return None
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    model = _onnx_model(path)
    tensors = {tensor.name: tensor for tensor in _onnx_weights(model)}
    assert sorted(tensors) == sorted(state)
    for name, tensor in tensors.items():
        tensor.CopyFrom(onnx.numpy_helper.from_array(state[name], name))
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"input": x})))


def _onnx_model(path):
    return pytest.importorskip("onnx").load(path)


def _onnx_weights(model):
    return [tensor for tensor in model.graph.initializer if "/" not in tensor.name]
'''

SELF_TEST = SelfTest(SOURCE, shapes="onnx_shapes", outputs="onnx_outputs")
