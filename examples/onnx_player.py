"""Run the exported network without torch and without rtmss, hop by hop.

Before: rtmss export onnx --output separator.onnx
"""

import numpy as np
import onnxruntime
from safetensors.numpy import load_file

session = onnxruntime.InferenceSession("separator.onnx")
hop = int(session.get_modelmeta().custom_metadata_map["hop_length"])
names = [output.name for output in session.get_outputs()]
inputs = {
    node.name: np.zeros(
        [n if isinstance(n, int) else 1 for n in node.shape],
        np.float32,
    )
    for node in session.get_inputs()
}
condition = load_file("presets/conditions/vocals.safetensors")
inputs["conditions"][0, 0] = condition["vector"]  # one target

song = 0.1 * np.random.default_rng(0).standard_normal(
    (
        1,
        2,
        40 * hop,
    )
).astype(np.float32)
pieces = []
for start in range(0, song.shape[-1], hop):
    inputs["audio"] = song[..., start : start + hop]
    outputs = dict(
        zip(
            names,
            session.run(None, inputs),
            strict=True,
        )
    )
    inputs |= {name: outputs[f"next.{name}"] for name in inputs if f"next.{name}" in outputs}
    pieces.append(outputs["targets"][0, 0])
vocals = np.concatenate(pieces, axis=-1)  # (2, samples), `delay` behind the song
print(f"{vocals.shape[-1]} samples of the target")
