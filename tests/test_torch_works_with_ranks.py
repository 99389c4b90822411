"""Several processes that train together: each has a trace of its own, with the collectives as nodes."""

import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import torch.distributed

from graphreel.capture.ranks import Rank, path_of
from graphreel.graph import Graph, Node, Phase, lint, walk
from graphreel.tracefile import open_reel

pytestmark = pytest.mark.skipif(not torch.distributed.is_available(), reason="needs torch.distributed")

SCRIPT = """
import hashlib, os, sys, warnings
import torch, torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.nn.parallel import DistributedDataParallel
warnings.simplefilter("ignore")
torch.set_num_threads(1)
dist.init_process_group("gloo")
rank = dist.get_rank()
def sharded(model):
    mesh = init_device_mesh("cpu", (2,))
    for part in (model[0], model[2], model):
        fully_shard(part, mesh=mesh)
    return model
wraps = [DistributedDataParallel, lambda m: FullyShardedDataParallel(m, device_id=torch.device("cpu")), sharded]
for wrap in wraps:
    torch.manual_seed(0)
    model = wrap(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for step in range(2):
        torch.manual_seed(10 * rank + step)
        loss = model(torch.randn(2, 4)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total = loss.detach().clone()
        dist.all_reduce(total, op=dist.ReduceOp.MAX)
    with open(sys.argv[1] + str(rank), "a") as out:
        print(loss.item().hex(), total.item().hex(), file=out)
dist.destroy_process_group()
"""


def plainly(folder: Path, *command: str) -> None:
    """Run both ranks without a launcher, which takes as long to start as they do."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = [
        subprocess.Popen(
            [sys.executable, *command], cwd=folder, env={**environment, "RANK": rank, "WORLD_SIZE": "2"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for rank in "01"
    ]  # fmt: skip
    assert [rank.wait(timeout=120) for rank in ranks] == [0, 0]


def torchrun(folder: Path, *command: str) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launcher, *command], cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "train.py").write_text(SCRIPT)
    plainly(folder, "train.py", "plain")
    torchrun(folder, "-m", "graphreel", "record", "-o", "run.reel", "train.py", "recorded")
    return folder


def collectives(graph: Graph, phase: Phase | None = None) -> list[Node]:
    return [each for each in walk(graph) if each.op.startswith("c10d.") and phase in (None, each.phase)]


@pytest.mark.parametrize("rank", [0, 1])
def test_each_rank_trains_the_same_and_writes_its_own_trace(folder: Path, rank: int) -> None:
    plain, recorded = ((folder / f"{name}{rank}").read_text() for name in ("plain", "recorded"))
    assert recorded == plain
    assert not (folder / "run.reel").exists()
    with closing(open_reel(folder / f"run.rank{rank}.reel")) as trace:
        assert (trace.info.settings["rank"], trace.info.settings["world size"]) == (str(rank), "2")
        assert len(trace.iterations) == 6
        assert not trace.problems


def test_collectives_are_nodes_with_group_and_size(folder: Path) -> None:
    with closing(open_reel(folder / "run.rank0.reel")) as trace:
        graphs = [trace.graph(index) for index in range(6)]
        findings = [trace.findings(index) for index in range(6)]
    assert not any(findings)
    for graph in graphs:
        lint(graph)
        (last,) = [each for each in collectives(graph) if each.attributes.get("reduce_op") == "max"]
        assert last.attributes["process_group"] == "group 0 of 2 ranks"
        assert last.inputs[0].type_text == "float32[]"
    ddp, fsdp, sharded = graphs[1], graphs[3], graphs[5]
    # DDP reduces all 49 gradients in one bucket, from C++.
    assert [(each.op, each.inputs[0].type_text) for each in collectives(ddp, Phase.BACKWARD)] == [
        ("c10d.allreduce_.default", "float32[49]")
    ]
    for graph, gathers in ((fsdp, "c10d.allgather_.default"), (sharded, "c10d._allgather_base_.default")):
        assert gathers in {each.op for each in collectives(graph, Phase.FORWARD)}
        assert "c10d._reduce_scatter_base_.default" in {each.op for each in collectives(graph, Phase.BACKWARD)}


def test_the_file_of_a_rank() -> None:
    path = Path("runs/run.reel")
    assert path_of(path, Rank(0, 1)) == path
    assert path_of(path, Rank(1, 4)) == Path("runs/run.rank1.reel")
    assert path_of(Path("runs/{rank}-of-4.reel"), Rank(3, 4)) == Path("runs/3-of-4.reel")
