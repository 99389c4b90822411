"""Which of several processes this is that train together, and which file is its own.

Nothing here imports a framework: a script is still to set what one reads when it is imported.
"""

import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

PLACE = "{rank}"
"""In the path of a trace: where the rank is to stand."""


class Rank(NamedTuple):
    """One of `world_size` processes, counted from 0."""

    rank: int
    world_size: int

    def settings(self) -> dict[str, str]:
        """What a trace says of it; nothing where one process trains alone."""
        if self.world_size == 1:
            return {}
        return {"rank": str(self.rank), "world size": str(self.world_size)}


def own_rank() -> Rank:
    """The rank of this process: as PyTorch knows it, or else as its launcher set it (RANK and WORLD_SIZE)."""
    distributed: Any = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return Rank(distributed.get_rank(), distributed.get_world_size())
    rank, world_size = os.environ.get("RANK", ""), os.environ.get("WORLD_SIZE", "")
    if rank.isdecimal() and world_size.isdecimal():
        return Rank(int(rank), int(world_size))
    return Rank(0, 1)


def path_of(path: Path, rank: Rank) -> Path:
    """The file of a rank: `run.rank1.reel` for `run.reel`, or with the rank where the path has `{rank}`.

    A process that trains alone gets the path as it is.
    """
    if PLACE in path.name:
        return path.with_name(path.name.replace(PLACE, str(rank.rank)))
    if rank.world_size == 1:
        return path
    return path.with_name(f"{path.stem}.rank{rank.rank}{path.suffix}")
