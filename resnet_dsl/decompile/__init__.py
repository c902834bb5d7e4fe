"""Specs restored from files of weights and from ONNX graphs: the compiler the other way round.

`layers.py` sorts names and shapes, `blocks.py` finds the residual blocks, `structure.py` the whole;
`assumed.py` and `drawn.py` say what tensors cannot, by convention or from a graph; `draft.py` writes
the spec, `comparison.py` holds what it compiles to against the file, `restore.py` does all in order.
"""
