"""Profiles as PyTorch's profiler writes them, made by hand: its first form (1.8), today's, and ROCm's."""

import gzip
import json
from pathlib import Path
from typing import Any

Event = dict[str, Any]


def event(cat: str, name: str, ts: Any, dur: Any, pid: Any = 1, tid: Any = 1, **args: Any) -> Event:
    """A complete event; underscores in the names of arguments stand for spaces."""
    given = {key.replace("_", " "): value for key, value in args.items()}
    return {"ph": "X", "cat": cat, "name": name, "pid": pid, "tid": tid, "ts": ts, "dur": dur, "args": given}


def step() -> list[Event]:
    """A copy to the device, a product, its backward on another thread, and a fill that no operation launched."""
    return [
        event("cpu_op", "aten::to", 100, 30, External_id=1),
        event("cpu_op", "aten::_to_copy", 101, 28, External_id=2),
        event("cuda_runtime", "cudaMemcpyAsync", 110.5, 10.25, External_id=2, correlation=50),
        event("gpu_memcpy", "Memcpy HtoD (Pageable -> Device)", 118, 5, 0, 7, **_on(50, 2), bytes=4096),
        event("cpu_op", "aten::mm", 140, 20, External_id=3, Sequence_number=9),
        event("cuda_runtime", "cudaLaunchKernel", 145, 4, External_id=3, correlation=51),
        event("kernel", "gemm", 150, 40, 0, 7, **_on(51, 3)),
        event("user_annotation", "step", 90, 200, External_id=4),
        event("cpu_op", "MmBackward0", 200, 50, tid=2, External_id=5, Sequence_number=9),
        event("cpu_op", "aten::mm", 205, 40, tid=2, External_id=6),
        event("cuda_runtime", "cudaLaunchKernel", 210, 4, tid=2, correlation=52),
        event("kernel", "gemm", 230, 40, 0, 20, **_on(52, None)),
        event("gpu_memset", "Memset (Device)", 300, 1, 0, 7, **_on(None, None), bytes=64),
        event("gpu_user_annotation", "step", 118, 200, 0, 7, External_id=4),
        event("a_category_of_the_future", "what", 90, 1),
        {"ph": "M", "name": "process_name", "pid": 1, "args": {"name": "python"}},
    ]


def _on(correlation: int | None, external: int | None) -> dict[str, Any]:
    ids = {"correlation": correlation, "External_id": external}
    return {"device": 0, "stream": 7, **{key: value for key, value in ids.items() if value is not None}}


def write(path: Path, events: Any, **more: Any) -> Path:
    """Write a profile; compressed where the name ends so."""
    text = json.dumps({"schemaVersion": 1, "deviceProperties": [{"id": 0}], **more, "traceEvents": events, "end": 1})
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path
