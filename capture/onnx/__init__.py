"""Reads ONNX models. The `onnx` package is imported only inside the functions that need it."""
