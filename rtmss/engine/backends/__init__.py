"""What runs the separator for one stream, and is the one place where a stream's memory changes.

`torch` is the reference and runs everywhere; `onnx` steps single hops two to three times as fast,
in one thread.
"""
