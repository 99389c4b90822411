"""What `torch.compile` made of the program, as it runs: a scope for each compiled region, and a node for each kernel.

Operations that compiled code leaves to ATen arrive as all others do. What never arrives is what the Inductor backend
makes itself: fused kernels, buffers and views. They are called by name from modules that it generates, so these names
are taken over while a recording runs. What still cannot be seen is one node, from what the region took to what it gave.

This module changes no code and no result: it calls what would have been called.
"""

import re
import sys
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from functools import partial, wraps
from pathlib import Path
from time import perf_counter_ns
from types import CodeType, FrameType
from typing import Any

from torch import Tensor
from torch._C import _get_dispatch_stack_at, _len_torch_dispatch_stack
from torch.utils._python_dispatch import _disable_current_modes

from graphreel.capture.torch.compiler import keep_compiler_out
from graphreel.capture.torch.dispatch import RecordMode
from graphreel.capture.torch.log import COMPILED, ScopeNote
from graphreel.capture.torch.ops import OpInfo
from graphreel.capture.torch.spared import Spared
from graphreel.tracefile.extras import Finding

_REGION = "__compiled_fn"
_RESUMED = re.compile(r"torch_dynamo_resume_in_(.+)_at_(\d+)")
_KERNEL = re.compile(r"^(\w+) = async_compile\.(\w+)\(", re.MULTILINE)
_PARAMETERS = re.compile(r"\b(?:kernel|def \w+)\s*\(([^)]*)\)")
_NEW = ("size", "stride", "dtype")
_MAKERS = {
    "empty_strided_cpu": _NEW,
    "empty_strided_cpu_pinned": _NEW,
    "empty_strided_cuda": _NEW,
    "empty_strided_xpu": _NEW,
    "reinterpret_tensor": ("self", "size", "stride", "storage_offset"),
}
"""What generated code makes tensors by, and the names of its arguments."""


Begin = Callable[[ScopeNote, FrameType], Callable[[], None] | None]
"""Opens a scope for what the frame calls; gives what closes it."""


class CompiledCode:
    """Sees compiled regions and the kernels within, until it is removed.

    WORKAROUND: `CleanupManager` of torch/_dynamo/utils.py knows where each compiled function was put, and
    `PyCodeCache.modules` of torch/_inductor/codecache.py the modules that Inductor generated.
    """

    def __init__(self, mode: RecordMode, begin: Begin) -> None:
        self._findings: list[Finding] = []
        self._mode, self._begin = mode, begin
        self._taken: list[tuple[MutableMapping[str, Any], str, Any, Any]] = []
        self._regions: set[str] = set()
        self._modules = 0
        self._unseen: set[str] = set()
        self._infos: dict[int, OpInfo] = {}
        self._made: list[Tensor] = []
        self.look()

    def take(self) -> list[Finding]:
        """What cannot be seen of compiled code, and was not told before."""
        found, self._findings = self._findings, []
        return found

    def look(self) -> None:
        """Take over what was compiled since the last time."""
        utils, cache = sys.modules.get("torch._dynamo.utils"), sys.modules.get("torch._inductor.codecache")
        if utils is not None:
            manager = utils.CleanupManager.instance
            for key, hooks in list(manager.values.items()):
                code = manager.refs[key]()
                for hook in hooks:
                    # Their names are unique in the whole process.
                    if hook.name.startswith(_REGION) and hook.name not in self._regions and code is not None:
                        self._regions.add(hook.name)
                        self._take_region(hook.scope, hook.name, region_name(code))
        if cache is not None:
            modules = cache.PyCodeCache.modules
            new, self._modules = modules[min(self._modules, len(modules)) :], len(modules)
            for module in new:
                self._take_kernels(vars(module))

    def remove(self) -> None:
        """Put everything back, unless somebody has replaced ours meanwhile."""
        for names, name, theirs, ours in reversed(self._taken):
            if names.get(name) is ours:
                names[name] = theirs
        self._taken.clear()

    def _take(self, names: MutableMapping[str, Any], name: str, theirs: Any, ours: Any) -> None:
        self._taken.append((names, name, theirs, ours))
        names[name] = ours

    def _take_region(self, names: MutableMapping[str, Any], name: str, called: str) -> None:
        theirs = names.get(name)
        if theirs is None:
            return
        note = ScopeNote(0, (called,), COMPILED, 0, is_function=True)
        give_made = partial(self._give_made)

        def region(*args: Any, **kwargs: Any) -> Any:
            mode = self._mode
            if mode.log is None or not self._is_on():
                return theirs(*args, **kwargs)
            frame, ended, info = sys._getframe(1), None, None
            with Spared(mode.fault):
                info = self._info(f"torch.compile.{called}", give_made)
                if mode.before is not None and not mode.calls:
                    mode.before(info, frame, args)
                ended = self._begin(note, frame)
            begin = perf_counter_ns()
            try:
                out = theirs(*args, **kwargs)
                if mode.log is not None and info is not None:
                    self._note_unseen(info, begin, args, out)
            finally:
                if ended is not None:
                    ended()
            return out

        keep_compiler_out(region.__code__, below=True)
        self._take(names, name, theirs, wraps(theirs)(region))

    def _is_on(self) -> bool:
        """Whether our mode sees what this thread runs now."""
        return any(_get_dispatch_stack_at(at) is self._mode for at in range(_len_torch_dispatch_stack()))

    def _info(self, op: str, call: Callable[..., Any], **known: Any) -> OpInfo:
        """What stands for a function that is no operator of ATen's."""
        info = self._infos.get(id(call))
        if info is None:
            info = OpInfo(index=len(self._mode.ops), func=call, name=op, call=call, **known)
            self._infos[id(call)] = info
            self._mode.introduce(info)
        return info

    def _note_unseen(self, info: OpInfo, begin: int, args: Sequence[Any], out: Any) -> None:
        """Where a region gave something that nothing seen has made, add a node for the region itself."""
        mode = self._mode
        with Spared(mode.fault):
            self._made = [one for one in _tensors(out) if not mode.table.knows_memory_of(one)]
            if not self._made:
                return
            self._run(info, (*_tensors(args),), {})
            if mode.log is not None and mode.log.starts:
                mode.log.starts[-1] = begin
            if info.name not in self._unseen:
                self._unseen.add(info.name)
                what = info.name.removeprefix("torch.compile.")
                message = f"what {what} was compiled to cannot be seen: its node shows what it took and what it gave"
                self._findings.append(Finding("unseen-compiled-code", message))

    def _give_made(self, *args: Any) -> list[Tensor]:
        made, self._made = self._made, []
        return made

    def _take_kernels(self, names: MutableMapping[str, Any]) -> None:
        """Take over what a generated module calls by name."""
        file = names.get("__file__")
        if "assert_size_stride" not in names or not file:
            return
        text = Path(file).read_text(encoding="utf-8")
        for name, arguments, written in kernels_of(text):
            theirs: Any = names.get(name)
            if callable(getattr(theirs, "run", None)):
                launcher = _Launcher(theirs, self._noted(name, theirs.run, arguments=arguments, written=written))
                self._take(names, name, theirs, launcher)
            elif callable(theirs):
                ours = self._noted(name, theirs, arguments=arguments, written=written)
                self._take(names, name, theirs, ours)
        for name, arguments in _MAKERS.items():
            theirs = names.get(name)
            if theirs is not None and f"{name}(" in text:
                view_of = ("self",) if arguments[0] == "self" else ()
                ours = self._noted(name, theirs, arguments=arguments, view_of=view_of, fresh=not view_of)
                self._take(names, name, theirs, ours)

    def _noted(self, name: str, theirs: Callable[..., Any], **known: Any) -> Callable[..., Any]:
        """The same function, each of whose calls becomes a node."""

        def kernel(*args: Any, **kwargs: Any) -> Any:
            if self._mode.log is None or not self._is_on():
                return theirs(*args, **kwargs)
            return self._run(self._info(f"inductor.{name}", theirs, **known), args, kwargs)

        keep_compiler_out(kernel.__code__, below=True)
        return kernel

    def _run(self, info: OpInfo, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run what the dispatcher does not know as if it were an operation."""
        with _disable_current_modes():
            return self._mode.__torch_dispatch__(info.func, (), args, kwargs)


class _Launcher:
    """A Triton kernel whose launches become nodes; all else is the kernel's own."""

    def __init__(self, kernel: Any, run: Callable[..., Any]) -> None:
        self._kernel, self.run = kernel, run

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kernel, name)


def region_name(code: CodeType) -> str:
    """What a compiled region is called: as its function, and `f@22` where one goes on after a break in line 22."""
    if found := _RESUMED.fullmatch(code.co_name):
        return f"{found[1]}@{found[2]}"
    # A function of PyTorch's own that only calls the user's.
    return "compiled" if code.co_name == "inner" else code.co_name.strip("<>")


def kernels_of(text: str) -> Iterator[tuple[str, tuple[str, ...], frozenset[str]]]:
    """The kernels in a module that Inductor generated: name, names of the parameters, and which of them are written."""
    starts = [*_KERNEL.finditer(text)]
    ends = [*(found.start() for found in starts[1:]), len(text)]
    for start, end in zip(starts, ends, strict=True):
        found = _PARAMETERS.search(text, start.start(), end)
        declared = [part.strip() for part in found[1].split(",")] if found else []
        names = [re.split(r"[\s*&]+", part.partition(":")[0].strip())[-1] for part in declared]
        written = [
            name
            for part, name in zip(declared, names, strict=True)
            if name.startswith(("out_ptr", "in_out_ptr")) or ("*" in part and not part.startswith("const"))
        ]
        yield start[1], tuple(name for name in names if name), frozenset(written)


def _tensors(given: Any) -> Iterator[Tensor]:
    if isinstance(given, Tensor):
        yield given
    elif isinstance(given, list | tuple):
        for entry in given:
            yield from _tensors(entry)
