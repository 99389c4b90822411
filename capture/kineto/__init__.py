"""Profiles of PyTorch's profiler (Kineto): read from its JSON, and device work put to the operation that launched it.

Nothing here imports PyTorch: a profile is readable where it is not installed.
"""

from graphreel.capture.kineto.columns import Category, Profile, ProfileBuilder
from graphreel.capture.kineto.correlation import DeviceWork, device_work, enclosing
from graphreel.capture.kineto.flows import backward_pairs
from graphreel.capture.kineto.reader import read_profile

__all__ = [
    "Category",
    "DeviceWork",
    "Profile",
    "ProfileBuilder",
    "backward_pairs",
    "device_work",
    "enclosing",
    "read_profile",
]
