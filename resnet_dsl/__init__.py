"""resnet-dsl: one text, the same residual network in PyTorch, Keras and ONNX."""
