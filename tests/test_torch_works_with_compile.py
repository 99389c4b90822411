"""`torch.compile` while recording: what was compiled runs as compiled, and the graph holds what ran."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphreel.capture.torch import RecorderWarning
from graphreel.capture.torch.compiled import kernels_of
from graphreel.graph import Phase, walk
from tests.torch_runs import Kept, node, nodes, recording, train

pytestmark = [
    # Of PyTorch's compiler about Python's own ast module, and about its own profiler.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*Profiler.*:UserWarning"),
    # Of the import hook of PySide, which pytest-qt loads: PyTorch's generated code imports while it is compiling.
    pytest.mark.filterwarnings("ignore:Dynamo does not know how to trace the builtin:UserWarning"),
    # It asks every tensor for its gradient.
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning"),
]
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler: g++")
HERE = Path(__file__).name


@pytest.fixture(autouse=True)
def fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


class Model(nn.Module):
    """Two compiled regions with a break between them, and a custom function in the second."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.block = nn.Sequential(nn.Linear(8, 8), nn.ReLU())
        self.last = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.block(self.first(x))
        torch._dynamo.graph_break()
        return self.last(y.sin() + y)


BREAK = Model.forward.__code__.co_firstlineno + 2


def compilations() -> list[tuple[str | None, str | None]]:
    """Name of each function that was compiled, and why if it was compiled again."""
    from torch._dynamo.utils import get_compilation_metrics

    return [(one.co_name, one.recompile_reason) for one in get_compilation_metrics() if one.co_name]


def outcome(backend: Any, around: Callable[[Callable[[], None]], None]) -> tuple[list[float], list[Tensor], int]:
    """Losses and parameters of a compiled model that trains, and how many functions were compiled."""
    torch._dynamo.reset()
    torch.manual_seed(0)
    model = Model()
    compiled: Any = torch.compile(model, backend=backend)
    losses: list[float] = []
    torch._dynamo.utils.clear_compilation_metrics()
    around(lambda: losses.extend(train(compiled, torch.optim.Adam(model.parameters()), (2, 4))))
    return losses, [parameter.detach().clone() for parameter in model.parameters()], len(compilations())


def both(backend: Any) -> Kept:
    """Train without and with a recording; nothing but the recording differs."""
    plain = outcome(backend, lambda run: run())
    kept = Kept()

    def recorded(run: Callable[[], None]) -> None:
        nonlocal kept
        with recording() as (kept, _):
            run()

    other = outcome(backend, recorded)
    assert other[0] == plain[0]
    assert all(torch.equal(one, two) for one, two in zip(other[1], plain[1], strict=True))
    assert other[2] == plain[2] == 2
    assert len(kept.records) == 3
    return kept


def scopes(kept: Kept, index: int) -> set[str]:
    return {each.scope.path for each in walk(kept.graph(index))}


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_compiled_model_trains_the_same_and_its_regions_are_scopes(backend: str) -> None:
    kept = both(backend)
    graph = kept.graph(1)
    regions = {scope for scope in scopes(kept, 1) if "forward@" in scope or "/M" in scope}
    assert any(scope.endswith(f"/forward@{BREAK + 1}") or f"/forward@{BREAK}" in scope for scope in regions)
    sin = node(graph, "aten.sin.default")
    assert sin.source is not None
    assert (Path(sin.source.file).name, sin.source.line) == (HERE, BREAK + 1)
    weight = nodes(graph, "aten.addmm.default")[0].inputs[2]
    assert weight.producer is not None
    assert weight.producer.inputs[0].name == "first.weight"
    assert nodes(graph, "aten.threshold_backward.default")[0].phase is Phase.BACKWARD


@needs_compiler
def test_kernels_that_inductor_fused_are_nodes() -> None:
    kept = both("inductor")
    graph = kept.graph(2)
    fused = [each for each in walk(graph) if each.op.startswith("inductor.cpp_fused")]
    assert {each.phase for each in fused} == {Phase.FORWARD, Phase.BACKWARD}
    relu = next(each for each in fused if "relu" in each.op)
    assert relu.inputs[0].producer is not None
    assert relu.inputs[0].producer.op == "aten.addmm.out"
    # Nothing in the graph comes from nowhere but the batch, the parameters and the optimizer's state.
    inputs = [value for each in walk(graph) for value in each.inputs if value.producer is None]
    assert all(value.name for value in inputs), [(value.type_text, value.kind) for value in inputs if not value.name]
    written = {value.name for each in walk(graph) if each.op.startswith("aten.addcdiv_") for value in each.outputs[:1]}
    assert written == {name for name, _ in Model().named_parameters()}


def test_a_function_that_was_compiled_before_runs_as_it_was_compiled() -> None:
    @torch.compile(backend="aot_eager")
    def compute(x: Tensor) -> Tensor:
        return (x.sin() + 1).cos()

    plain = compute(torch.ones(3))
    before = compilations()
    with recording() as (kept, recorder), recorder.iteration():
        assert torch.equal(compute(torch.ones(3)), plain)
    assert torch.equal(compute(torch.ones(3)), plain)
    assert compilations() == before
    assert node(kept.graph(0), "aten.sin.default").scope.path == "forward/compute"


def test_graph_breaks_and_recompilations_are_findings_with_their_lines() -> None:
    @torch.compile(backend="eager")
    def branches(x: Tensor) -> Tensor:
        if x.sum() > 0:
            return x + 1
        return x - 1

    @torch.compile(backend="eager")
    def loops(x: Tensor) -> Tensor:
        for _ in range(2):
            x = x + 1
            print(end="")
        return x

    line, loop = branches.__wrapped__.__code__.co_firstlineno, loops.__wrapped__.__code__.co_firstlineno
    with recording() as (kept, recorder):
        with recorder.iteration():
            branches(torch.ones(3))
        with recorder.iteration():
            branches(torch.ones(3, dtype=torch.float64))
        with recorder.iteration():
            loops(torch.ones(3))
        with recorder.iteration():
            branches(torch.ones(3))
    # PySide's import hook, where pytest-qt has loaded it, is looked into as well.
    first, second, third, fourth = (
        [each for each in record.findings if Path(each.file).name != "feature.py"] for record in kept.records.values()
    )
    assert [(each.kind, Path(each.file).name, each.line) for each in first] == [("graph-break", HERE, line + 2)]
    assert "what a tensor holds" in first[0].message
    assert {(each.kind, each.line) for each in second} == {("recompile", line), ("recompile", line + 2)}
    assert "dtype mismatch" in second[0].message
    assert [(each.kind, each.line) for each in third] == [("graph-break", loop + 4)]
    assert "loops runs uncompiled" in third[0].message
    assert not fourth


def test_what_a_backend_hides_is_one_node_that_says_so() -> None:
    def hiding(module: Any, inputs: Any) -> Callable[..., Any]:
        def run(*args: Tensor) -> list[Tensor]:
            with torch.utils._python_dispatch._disable_current_modes():
                return [torch.ones(2, 3)]

        return run

    @torch.compile(backend=hiding)
    def compute(x: Tensor) -> Tensor:
        return x.sin() + 1

    with recording() as (kept, recorder), recorder.iteration():
        compute(torch.ones(2, 3)).cos()
    _, hidden, cos = walk(kept.graph(0))
    assert (hidden.op, [value.type_text for value in hidden.inputs]) == ("torch.compile.compute", ["float32[2, 3]"])
    assert cos.inputs[0].producer == hidden
    assert [each.kind for each in kept.records[0].findings] == ["unseen-compiled-code"]


def test_an_optimizer_that_is_compiled_still_ends_iterations() -> None:
    def run() -> tuple[list[Tensor], int]:
        torch._dynamo.reset()
        torch._dynamo.utils.clear_compilation_metrics()
        torch.manual_seed(0)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        @torch.compile(backend="eager")
        def step() -> None:
            optimizer.step()

        for _ in range(3):
            model(torch.randn(4, 2)).sum().backward()
            step()
            optimizer.zero_grad()
        # What loops over our hooks is compiled otherwise, but not what computes.
        computing = [name for name, _ in compilations() if name == "step"]
        return [parameter.detach().clone() for parameter in model.parameters()], len(computing)

    plain, count = run()
    with recording() as (kept, _):
        recorded, other = run()
    assert all(torch.equal(one, two) for one, two in zip(plain, recorded, strict=True))
    assert count == other
    assert len(kept.records) == 3
    assert any(each.phase is Phase.OPTIMIZER for each in walk(kept.graph(1)))
    assert not any("TorchRecorder" in each.message for record in kept.records.values() for each in record.findings)


def conditional(x: Tensor) -> Tensor:
    return torch.cond(x.sum() > 0, lambda x: x.sin(), lambda x: x.cos(), (x,))


def looping(x: Tensor) -> Tensor:
    loop = torch._higher_order_ops.while_loop
    return loop(lambda at, x: at < 3, lambda at, x: (at + 1, x * 2), (torch.tensor(0), x))[1]


def attending(x: Tensor) -> Tensor:
    from torch.nn.attention.flex_attention import flex_attention

    query = x.expand(1, 2, 16, 3).contiguous()
    return flex_attention(query, query, query, score_mod=lambda score, b, h, i, j: score + (i - j))


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize(
    ("compute", "op"), [(conditional, "cond"), (looping, "while_loop"), (attending, "flex_attention")]
)
def test_operators_that_take_functions_are_nodes(compute: Callable[[Tensor], Tensor], op: str) -> None:
    plain = compute(torch.ones(3))
    with recording() as (kept, recorder), recorder.iteration():
        assert torch.equal(compute(torch.ones(3)), plain)
    assert len(nodes(kept.graph(0), op)) == 1


def test_an_error_in_a_compiled_region_is_the_programs_own() -> None:
    @torch.compile(backend="eager")
    def compute(x: Tensor, y: Tensor) -> Tensor:
        return (x + 1)[y]

    compute(torch.ones(3), torch.tensor([1]))
    with pytest.raises(IndexError, match="out of bounds"), recording() as (kept, _):
        compute(torch.ones(3), torch.tensor([7]))
    assert kept.records[0].error is not None
    assert kept.records[0].error.node is not None


@pytest.mark.filterwarnings(f"error::{RecorderWarning.__module__}.RecorderWarning")
def test_nothing_of_ours_stays_in_compiled_code() -> None:
    compute: Any = torch.compile(lambda x: x.sin(), backend="eager")
    with recording() as (_, recorder), recorder.iteration():
        compute(torch.ones(3))
    ours = [
        name for name, value in globals().items() if name.startswith("__compiled_fn") and "graphreel" in repr(value)
    ]
    from torch._dynamo.callback import callback_handler

    assert not ours
    assert "install_callbacks" not in vars(callback_handler)


def test_kernels_are_read_from_generated_code() -> None:
    text = """
cpp_fused_add_0 = async_compile.cpp_pybinding(['const float*', 'float*'], r'''
extern "C"  void  kernel(const float* in_ptr0,
                       float* out_ptr0,
                       const int64_t ks0)
{ }
''')
triton_poi_fused_relu_1 = async_compile.triton('triton_poi_fused_relu_1', '''
@triton.jit
def triton_poi_fused_relu_1(in_out_ptr0, in_ptr0, xnumel, XBLOCK : tl.constexpr):
    pass
''', device_str='cuda')
"""
    assert list(kernels_of(text)) == [
        ("cpp_fused_add_0", ("in_ptr0", "out_ptr0", "ks0"), frozenset({"out_ptr0"})),
        ("triton_poi_fused_relu_1", ("in_out_ptr0", "in_ptr0", "xnumel", "XBLOCK"), frozenset({"in_out_ptr0"})),
    ]
