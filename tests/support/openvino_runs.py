"""Runs ONNX files in OpenVINO, as a process of its own: nothing of it is loaded beside the frameworks.

The folder given has a file `NAME.onnx` for each model, and its inputs in `NAME.npz`, which are called as the
results in `NAME.openvino.npz` will be. What a model is refused for goes to `NAME.refused.txt`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np


def main(folder: Path) -> None:
    import openvino

    core = openvino.Core()
    # Its default may be bfloat16 on newer processors.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    for path in sorted(folder.glob("*.onnx")):
        with np.load(path.with_suffix(".npz")) as inputs:
            try:
                model = core.compile_model(core.read_model(path), "CPU", settings)
                results = {name: model(inputs[name])[0] for name in inputs.files}
            except RuntimeError as error:
                path.with_suffix(".refused.txt").write_text(str(error), encoding="utf-8")
            else:
                np.savez(path.with_suffix(".openvino.npz"), **results)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
