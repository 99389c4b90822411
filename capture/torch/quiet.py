"""Our own calls of PyTorch inside the user's program: no gradient history, and nothing of the program's between.

`with NoFunctions(), NoModes(), NoHistory():` keeps all that the program has put around PyTorch's functions from hearing
of what we call. A default device is a mode over every function, and a mode that the program entered before the
recording began would be told of our operations. Costs two or three microseconds.

They are PyTorch's own, entered by the statement itself: an `__exit__` written in Python may be left by what a signal
handler raises before its first line, and would leave the program without gradients.
"""

import torch

NoFunctions = torch._C.DisableTorchFunction
NoModes = torch._C._DisableTorchDispatch
NoHistory = torch._C._AutoDispatchBelowAutograd
