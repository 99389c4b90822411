"""Our own calls of PyTorch inside the user's program: no gradient history, and nothing of the program's between."""

from types import TracebackType

import torch


class Quiet:
    """While this is entered, nothing that the program has put around PyTorch's functions hears of what we call.

    A default device is a mode over every function, and a mode that the program entered before the recording began would
    be told of our operations. Costs two or three microseconds.
    """

    def __enter__(self) -> None:
        c = torch._C
        self._guards = c.DisableTorchFunction(), c._DisableTorchDispatch(), c._AutoDispatchBelowAutograd()
        for guard in self._guards:
            guard.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for guard in reversed(self._guards):
            guard.__exit__(kind, error, at)
