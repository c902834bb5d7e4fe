"""The part of a generated test that loads and runs a Keras artefact: plain source, no package of ours."""

from resnet_dsl.backend.interface import SelfTest

SOURCE = '''\
KERAS_NAMES = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "alpha": "weight",
    "gain": "gain",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def keras_shapes(path):
    """Return the shape of each tensor by name, in PyTorch's layouts."""
    model = _keras_model(path, "float32")
    variables = _keras_variables(model)
    shapes = {name: to_torch(np.empty(v.shape)).shape for name, v in variables.items()}
    flat = [name for name, v in variables.items() if v.name == "alpha"]
    shapes |= {name: (int(np.prod(variables[name].shape)),) for name in flat}
    for layer in model.layers:
        if hasattr(layer, "depth_multiplier"):
            height, width, *channels = layer.kernel.shape
            name = f"{layer.name.replace('-', '.')}.weight"
            shapes[name] = (int(np.prod(channels)), 1, height, width)
    return shapes


def keras_outputs(path, state, x):
    """Return the outputs by name, in the dtype of `x` if Keras can; maps as NCHW."""
    model = _keras_model(path, x.dtype.name)
    kinds = {getattr(layer, "interpolation", "") for layer in model.layers}
    if x.dtype == np.float64 and "bilinear" in kinds:
        return None  # Keras interpolates in single precision
    variables = _keras_variables(model)
    assert sorted(variables) == sorted(state)
    for name, variable in variables.items():
        variable.assign(to_keras(state[name]).reshape(variable.shape))
    result = model(x.transpose(0, 2, 3, 1) if x.ndim == 4 else x, training=False)
    result = result if isinstance(result, dict) else {"output": result}
    arrays = {name: np.asarray(value) for name, value in result.items()}
    return {n: a.transpose(0, 3, 1, 2) if a.ndim == 4 else a for n, a in arrays.items()}


def to_keras(value):
    return value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T


def to_torch(value):
    return value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T


def _keras_variables(model):
    found = ((layer.name, v) for layer in model.layers for v in layer.weights)
    named = ((name.rstrip("-").replace("-", "."), v) for name, v in found)
    return {f"{name}.{KERAS_NAMES.get(v.name, v.name)}": v for name, v in named}


def _keras_model(path, dtype):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    keras = pytest.importorskip("keras")
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    return load_source(path).build()
'''

SELF_TEST = SelfTest(SOURCE, shapes="keras_shapes", outputs="keras_outputs")
