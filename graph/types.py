"""The words of the graph model: identifiers, kinds and the array types of its columns."""

from enum import IntEnum
from typing import NewType, TypeAlias

import numpy as np
import numpy.typing as npt

NodeId = NewType("NodeId", int)
ValueId = NewType("ValueId", int)
ScopeId = NewType("ScopeId", int)
SourceId = NewType("SourceId", int)

ROOT = ScopeId(0)
NONE = -1

IntColumn: TypeAlias = npt.NDArray[np.int32]
ByteColumn: TypeAlias = npt.NDArray[np.uint8]
DimColumn: TypeAlias = npt.NDArray[np.int64]
HashColumn: TypeAlias = npt.NDArray[np.uint64]

Dim: TypeAlias = int | str | None
"""One dimension of a shape: a size, a symbol's name, or None where nothing is known of it."""


class Phase(IntEnum):
    """Which part of a training step a node belongs to."""

    FORWARD = 0
    BACKWARD = 1
    OPTIMIZER = 2
    OTHER = 3


class ValueKind(IntEnum):
    """What a value is to the model."""

    INPUT = 0
    PARAMETER = 1
    BUFFER = 2
    CONSTANT = 3
    ACTIVATION = 4
    GRADIENT = 5
    OPTIMIZER_STATE = 6


class ScopeKind(IntEnum):
    """What a group in the hierarchy stands for."""

    ROOT = 0
    PHASE = 1
    MODULE = 2
    NAME_SCOPE = 3
    FUNCTION = 4
    BRANCH = 5
    LOOP_BODY = 6
    LOOP_ITERATION = 7
    DETECTED = 8
    """Found by `grouped` where the source has no groups; no path nor key of anything else tells of it."""


class Access(IntEnum):
    """What a node does with an input."""

    READ = 0
    WRITE = 1


class Direction(IntEnum):
    """Which way a value crosses the boundary of a scope."""

    ENTER = 0
    LEAVE = 1


def word(kind: IntEnum) -> str:
    """The vocabulary's spelling of a kind: `ValueKind.OPTIMIZER_STATE` is "optimizer state"."""
    return kind.name.lower().replace("_", " ")
