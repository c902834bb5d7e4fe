"""The forms that an ONNX model is carried in, and the canonical file of weights."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx

from fuzz.engines import Check, Subject
from resnet_dsl.backend.discovery import find_backend
from resnet_dsl.weights.formats import canonical


def _checked(name: str, subject: Subject) -> Check:
    onnx.checker.check_model(subject.model, full_check=True)
    return Check(name)


def _rendered(name: str, subject: Subject) -> Check:
    content = find_backend("onnx").render(subject.program, subject.job.state)
    assert not isinstance(content, str)
    whole = content if isinstance(content, bytes) else b"".join(content)
    return subject.same(name, subject.runtime.run(onnx.load_model_from_string(whole), subject.x))


def _safetensors(name: str, subject: Subject) -> Check:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.safetensors")
        path.write_bytes(b"".join(canonical.encode(subject.program, subject.job.state, {}, ".safetensors")))
        state = {key: stored.load() for key, stored in canonical.read(path).tensors.items()}
    fresh = subject.runtime.load_state(subject.runtime.build(subject.program, "float32"), state)
    return subject.same(name, subject.runtime.run(fresh, subject.x))


FORMS = {"checker": _checked, "file": _rendered, "safetensors": _safetensors}
RARELY: dict[str, int] = {}
