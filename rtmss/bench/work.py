"""How much there is to multiply in a hop, and how much this machine could."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from rtmss.model.separator import N_CHANNELS, SeparatorModel
from rtmss.threads import torch_threads

N_PEAK = 1024
"""Rows and columns of the matrices whose product is the measure."""
OPSET, IR_VERSION = 17, 8
"""Of ONNX, which every ONNX Runtime reads that rtmss runs with."""


def macs_per_hop(model: SeparatorModel, n_targets: int) -> int:
    """Multiply-adds of matrix products, convolutions and the transforms' own products in one hop of
    eager torch.
    """
    audio = torch.zeros(1, N_CHANNELS, model.config.stft.hop_length)
    condition = torch.zeros(1, n_targets, model.config.unet.n_condition)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(audio, condition, model.init_state(1, n_targets))
    n_flops: int = counter.get_total_flops()
    return n_flops // 2


def peak_macs_per_second(n_trials: int = 60) -> float:
    """Multiply-adds a second of the best of some products of two float32 matrices, on one thread.

    By torch and by ONNX Runtime, if it is there: on some processors either is twice as fast as the
        other.
    """
    a, b = torch.randn(N_PEAK, N_PEAK), torch.randn(N_PEAK, N_PEAK)
    with torch_threads(1):
        products = [lambda: a @ b, *_onnx_product(a, b)]
        return N_PEAK**3 / min(_shortest(product, n_trials) for product in products)


def _shortest(run: Callable[[], object], n_trials: int) -> float:
    """Seconds."""
    shortest = float("inf")
    for _ in range(n_trials):
        started = time.perf_counter()
        run()
        shortest = min(shortest, time.perf_counter() - started)
    return shortest


def _onnx_product(
    a: Tensor,
    b: Tensor,
) -> list[Callable[[], object]]:
    """The product in ONNX Runtime; none where that is not installed."""
    try:
        import onnxruntime
        from onnx import TensorProto, helper
    except ImportError:
        return []
    values = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [N_PEAK, N_PEAK])
        for name in "abc"
    }
    product = helper.make_node("MatMul", ["a", "b"], ["c"])
    graph = helper.make_graph(
        [product],
        "product",
        [values["a"], values["b"]],
        [values["c"]],
    )
    network = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        network.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    matrices = {"a": a.numpy(), "b": b.numpy()}
    return [lambda: session.run(None, matrices)]
