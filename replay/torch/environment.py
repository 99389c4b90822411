"""Puts PyTorch into the state that results depend on, as a keyframe names it, and back."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch

from graphreel.capture.torch.keyframes_environment import environment as environment_now
from graphreel.replay.torch.arguments import DTYPES

_MOST_THREADS = 1024


@contextmanager
def environment(wanted: Mapping[str, Any], notes: list[str]) -> Iterator[None]:
    """Settings as recorded, while the block runs; what cannot be had here becomes a note."""
    before = environment_now()
    notes += _told(wanted, before)
    _set(wanted, before, notes)
    random = _generator_states()
    try:
        yield
    finally:
        for generator, state in random:
            generator.set_state(state)
        _set(before, environment_now(), [])


def _set(wanted: Mapping[str, Any], now: Mapping[str, Any], notes: list[str]) -> None:
    for name, setting in wanted.items():
        setter = _SETTERS.get(name)
        if setter is None or now.get(name) == setting:
            continue
        try:
            setter(setting)
        except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
            notes.append(f"{name} was {setting!r} when recorded, and cannot be set here: {error}")
    if "deterministic" in wanted:
        warn_only = wanted.get("deterministic_warn_only") is True
        torch.use_deterministic_algorithms(wanted["deterministic"] is True, warn_only=warn_only)


def _told(wanted: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What nobody can set, and results may depend on."""
    words = {"torch": "PyTorch", "cpu_capability": "the processor's instructions", "cuda_devices": "the device"}
    return [
        f"recorded with {word} {_text(wanted[name])}, executed with {_text(now[name])}: last bits may differ"
        for name, word in words.items()
        if name in wanted and name in now and wanted[name] != now[name]
    ]


def _text(setting: Any) -> str:
    return ", ".join(map(str, setting)) if isinstance(setting, list) else str(setting)


def _set_threads(count: Any) -> None:
    if type(count) is not int or not 1 <= count <= _MOST_THREADS:
        raise ValueError(count)
    torch.set_num_threads(count)


def _set_precisions(wanted: Any) -> None:
    for name, precision in dict(wanted).items():
        backend, _, operation = str(name).partition(".")
        if backend in {"mkldnn", "cudnn", "cuda"} and operation in {"matmul", "conv", "rnn"}:
            settings = getattr(getattr(torch.backends, backend), operation)
            if settings.fp32_precision != precision:
                settings.fp32_precision = precision


def _set_cudnn(name: str) -> Callable[[Any], None]:
    def set_one(setting: Any) -> None:
        setattr(torch.backends.cudnn, name, setting is True)

    return set_one


_SETTERS: Mapping[str, Callable[[Any], Any]] = {
    "num_threads": _set_threads,
    "default_dtype": lambda name: torch.set_default_dtype(DTYPES[name]),
    "mkldnn": lambda enabled: torch._C._set_mkldnn_enabled(enabled is True),
    "flush_denormal": lambda flush: torch.set_flush_denormal(flush is True),
    "fp32_precision": _set_precisions,
    "cudnn_enabled": _set_cudnn("enabled"),
    "cudnn_benchmark": _set_cudnn("benchmark"),
    "cudnn_deterministic": _set_cudnn("deterministic"),
}


def _generator_states() -> Sequence[tuple[torch.Generator, torch.Tensor]]:
    return [(generator, generator.get_state()) for generator in default_generators().values()]


def default_generators() -> dict[str, torch.Generator]:
    """The generators that devices draw from unasked, by the name of the device."""
    found = {"cpu": torch.default_generator}
    if torch.cuda.is_available():
        with suppress(RuntimeError):
            torch.cuda.init()
            found |= {f"cuda:{index}": each for index, each in enumerate(torch.cuda.default_generators)}
    return found
