"""Arguments of operations go into a node and come back exactly."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from graphreel.graph import Node, walk
from graphreel.replay.torch.arguments import read_call
from graphreel.replay.torch.operators import Operators
from graphreel.replay.torch.refused import Refused
from tests.torch_runs import recording

aten = torch.ops.aten


def node_of(operator: Any, *args: Any, step: bool = False, **kwargs: Any) -> tuple[Node, dict[str, float]]:
    """The node of one operation, and its numbers in columns."""
    with recording() as (kept, recorder):
        if step:
            parameter = torch.nn.Parameter(torch.ones(()))

            class Once(torch.optim.Optimizer):
                def step(self, closure: Any = None) -> None:
                    with torch.no_grad():
                        operator(*args, **kwargs)

            parameter.sum().backward()
            Once([parameter], {}).step()
        else:
            with recorder.iteration():
                operator(*args, **kwargs)
    record = kept.records[0]
    (found,) = [node for node in walk(record.graph) if node.op == str(operator)]
    return found, {name: column[found.id] for name, column in record.columns.items() if name.startswith("argument.")}


def given_back(operator: Any, *args: Any, step: bool = False, **kwargs: Any) -> dict[str, Any]:
    """The arguments that the node's call gives the operator, by name; tensors by their shape."""
    node, columns = node_of(operator, *args, step=step, **kwargs)
    call = read_call(Operators().find(node.op), node.input_names, node.attributes)
    seen: dict[str, Any] = {}

    def see(*args: Any, **kwargs: Any) -> None:
        names = [argument.name for argument in call.operator._schema.arguments]
        seen.update(zip(names, args, strict=False), **kwargs)

    inputs = [torch.empty(value.shape) for value in node.inputs]
    replace(call, operator=see).run(inputs, columns.__getitem__, lambda name: name)
    return {name: _plain(given) for name, given in seen.items()}


def _plain(given: Any) -> Any:
    if isinstance(given, Tensor):
        return tuple(given.shape)
    return [_plain(entry) for entry in given] if isinstance(given, list) else given


X, Y, ROWS = torch.randn(2, 3), torch.randn(3, 4), torch.tensor([0, 1])

CALLS: list[tuple[Any, tuple[Any, ...], dict[str, Any], dict[str, Any]]] = [
    (aten.mm.default, (X, Y), {}, {"self": (2, 3), "mat2": (3, 4)}),
    (aten.add.Tensor, (X, X), {"alpha": 2}, {"self": (2, 3), "other": (2, 3), "alpha": 2}),
    (aten.add.Tensor, (X, 1.5), {}, {"self": (2, 3), "other": 1.5}),
    (aten.mul.Scalar, (X, -0.0), {}, {"self": (2, 3), "other": -0.0}),
    (aten.mul.Scalar, (X, 1), {}, {"self": (2, 3), "other": 1}),
    (aten.mul.Scalar, (X, True), {}, {"self": (2, 3), "other": True}),
    (aten.mul.Scalar, (X, 1 + 2j), {}, {"self": (2, 3), "other": 1 + 2j}),
    (aten.add.Scalar, (X, complex(-0.0, math.inf)), {}, {"self": (2, 3), "other": complex(-0.0, math.inf)}),
    (aten.clamp.default, (X,), {"min": -math.inf}, {"self": (2, 3), "min": -math.inf}),
    (aten.clamp.default, (X, None, 2), {}, {"self": (2, 3), "max": 2}),
    (aten.index.Tensor, (X, [None, ROWS]), {}, {"self": (2, 3), "indices": [None, (2,)]}),
    (aten.index.Tensor, (X, [ROWS, None]), {}, {"self": (2, 3), "indices": [(2,), None]}),
    (aten.index.Tensor, (X, [ROWS]), {}, {"self": (2, 3), "indices": [(2,)]}),
    (aten.cat.default, ([X, X], 1), {}, {"tensors": [(2, 3), (2, 3)], "dim": 1}),
    (aten.stack.default, ([X],), {}, {"tensors": [(2, 3)]}),
    (aten.sum.dim_IntList, (X, [0, 1], True), {}, {"self": (2, 3), "dim": [0, 1], "keepdim": True}),
    (aten.sum.dim_IntList, (X, None), {"dtype": torch.float64}, {"self": (2, 3), "dim": None, "dtype": torch.float64}),
    (aten.sum.dim_IntList, (X, []), {}, {"self": (2, 3), "dim": []}),
    (
        aten._to_copy.default,
        (X,),
        {"dtype": torch.bfloat16, "device": torch.device("cpu"), "memory_format": torch.preserve_format},
        {
            "self": (2, 3),
            "dtype": torch.bfloat16,
            "device": torch.device("cpu"),
            "memory_format": torch.preserve_format,
        },
    ),
    (
        aten.empty.memory_format,
        ([2, 3],),
        {"layout": torch.strided, "memory_format": torch.contiguous_format},
        {"size": [2, 3], "layout": torch.strided, "memory_format": torch.contiguous_format},
    ),
    (aten.gelu.default, (X,), {"approximate": "tanh"}, {"self": (2, 3), "approximate": "tanh"}),
    (aten.div.Tensor_mode, (X, X), {"rounding_mode": None}, {"self": (2, 3), "other": (2, 3), "rounding_mode": None}),
    (aten.native_layer_norm.default, (X, [3], None, None, 1e-5), {}, {}),
    (aten.normal_.default, (torch.empty(2), 0.5, 2.0), {}, {"self": (2,), "mean": 0.5, "std": 2.0}),
    (aten.baddbmm.default, (X[None], X[None], torch.ones(1, 3, 3)), {"beta": 0.5, "alpha": 2}, {}),
]


@pytest.mark.parametrize(("operator", "args", "kwargs", "wanted"), CALLS, ids=map(str, range(len(CALLS))))
def test_arguments_come_back(operator: Any, args: Any, kwargs: Any, wanted: dict[str, Any]) -> None:
    found = given_back(operator, *args, **kwargs)
    names = [argument.name for argument in operator._schema.arguments]
    wanted = wanted or {
        name: _plain(given) for name, given in {**dict(zip(names, args, strict=False)), **kwargs}.items()
    }
    defaults = {argument.name: argument.default_value for argument in operator._schema.arguments}
    assert {name for name in wanted if name not in found and wanted[name] != defaults[name]} == set()
    for name, given in found.items():
        expected = wanted[name] if name in wanted else defaults[name]
        assert (given, type(given), repr(given)) == (expected, type(expected), repr(expected)), name


def test_numbers_of_the_optimizer_come_from_columns() -> None:
    node, columns = node_of(aten.mul_.Scalar, torch.ones(2), 0.25, step=True)
    assert node.attributes["other"] == "argument.other"
    assert columns["argument.other"] == 0.25
    assert given_back(aten.mul_.Scalar, torch.ones(2), 0.25, step=True) == {"self": (2,), "other": 0.25}
    many = [torch.ones(2), torch.ones(3)]
    node, _ = node_of(aten._foreach_mul_.ScalarList, many, [0.5, 0.5], step=True)
    assert node.attributes["scalars"] == "[argument.scalars] * 2"
    found = given_back(aten._foreach_mul_.ScalarList, many, [0.5, 0.5], step=True)
    assert found == {"self": [(2,), (3,)], "scalars": [0.5, 0.5]}


def test_a_generator_comes_back_by_its_name() -> None:
    generator = torch.Generator()
    assert given_back(aten.rand.generator, [2], generator=generator)["generator"] == "generator:1"


@pytest.mark.parametrize(
    ("op", "names", "attributes", "said"),
    [
        ("aten.mm.default", ["self"], {}, "mat2 is missing"),
        ("aten.mm.default", ["self", "mat2", "other"], {}, "no argument other"),
        ("aten.mm.default", ["self", "mat2[0]"], {}, "takes Tensor"),
        ("aten.mm.default", ["self", "../mat2"], {}, "no argument"),
        ("aten.cat.default", ["tensors"], {}, "takes List"),
        ("aten.cat.default", ["tensors[0]", "tensors[2]"], {}, "an entry is missing"),
        ("aten.cat.default", ["tensors[999999999]"], {}, "an entry is missing"),
        ("aten.sum.dim_IntList", ["self"], {"dim": ["0"]}, "is needed"),
        ("aten.sum.dim_IntList", ["self"], {"dim": {"a": 1}}, "is needed"),
        ("aten._to_copy.default", ["self"], {"dtype": "__class__"}, "is needed"),
        ("aten._to_copy.default", ["self"], {"device": "nowhere"}, "is needed"),
        ("aten.relu.default", ["self"], {"self": 1}, ""),
        ("aten.add.Tensor", ["self"], {"other": "<SymInt>"}, "a SymInt, which a trace does not hold"),
        ("aten._foreach_mul_.ScalarList", ["self[0]"], {"scalars": "[argument.scalars] * 999999999"}, "is needed"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(op: str, names: list[str], attributes: Any, said: str) -> None:
    if not said:
        read_call(Operators().find(op), names, attributes)
        return
    with pytest.raises(Refused, match=said):
        read_call(Operators().find(op), names, attributes)


@pytest.mark.parametrize(
    ("op", "said"),
    [
        ("torch.ops.__class__", "has no operator"),
        ("aten.__class__.default", "has no operator"),
        ("aten.add.__init__", "has no operator"),
        ("__builtins__.eval.default", "has no operator"),
        ("aten.add", "no operator"),
        ("aten.add.Tensor; import os", "no operator"),
        ("cond", "no operator"),
        ("aten.from_file.default", "opens a file"),
        ("c10d.barrier.default", "do more than compute"),
        ("my.own.default", "--import"),
    ],
)
def test_nothing_but_operators_that_compute_is_found(op: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        Operators().find(op)


def test_signatures_tell_equal_arguments_of_other_types_apart() -> None:
    with recording() as (kept, recorder), recorder.iteration():
        for alpha in (1, 1.0, 2, 0.0, -0.0):
            torch.ops.aten.add.Tensor(X, X, alpha=alpha)
    alphas = [node.attributes.get("alpha", "left out") for node in walk(kept.graph(0))]
    assert [repr(alpha) for alpha in alphas] in (
        ["1", "1.0", "2", "0.0", "-0.0"],
        ["'left out'", "1.0", "2", "0.0", "-0.0"],
        ["'left out'", "'left out'", "2", "0.0", "-0.0"],
    )
