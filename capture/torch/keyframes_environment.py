"""Settings of PyTorch that the bits of a result depend on, as plain data."""

import contextlib
from typing import Any

import numpy as np
import torch

_DENORMAL = np.float32(1e-40)
_OPERATIONS = {"mkldnn": ("matmul", "conv", "rnn"), "cudnn": ("conv", "rnn"), "cuda": ("matmul",)}


def environment() -> dict[str, Any]:
    """The settings as they are now, on this thread."""
    found: dict[str, Any] = {
        "torch": str(torch.__version__),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "num_threads": torch.get_num_threads(),
        "num_interop_threads": torch.get_num_interop_threads(),
        "default_dtype": str(torch.get_default_dtype()).removeprefix("torch."),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "deterministic_warn_only": torch.is_deterministic_algorithms_warn_only_enabled(),
        "mkldnn": torch._C._get_mkldnn_enabled(),
        # Nothing in PyTorch tells this setting of the processor; a product of a number so small does.
        "flush_denormal": bool(_DENORMAL * np.float32(1) == 0),
        "fp32_precision": {
            f"{backend}.{operation}": getattr(getattr(torch.backends, backend), operation).fp32_precision
            for backend, operations in _OPERATIONS.items()
            for operation in operations
        },
    }
    # Where the program has set several precisions, this one is none of them, and asking raises.
    with contextlib.suppress(RuntimeError):
        found["float32_matmul_precision"] = torch.get_float32_matmul_precision()
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        found |= _cuda()
    return found


def _cuda() -> dict[str, Any]:
    cudnn = torch.backends.cudnn
    return {
        "cuda": torch.version.cuda,
        "cuda_devices": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
        "cudnn": cudnn.version(),
        "cudnn_enabled": cudnn.enabled,
        "cudnn_benchmark": cudnn.benchmark,
        "cudnn_deterministic": cudnn.deterministic,
    }
