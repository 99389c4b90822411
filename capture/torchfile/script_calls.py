"""The code of a function that TorchScript calls."""

from typing import Any


def function_graph(call: Any) -> tuple[Any, str]:
    """The graph of the function that a `prim::CallFunction` calls, and its name.

    WORKAROUND: PyTorch gives no way from a function's type to the function, so a graph of nothing but this call is
    made, and the call is inlined there. Functions that the function calls are inlined with it.
    """
    import torch

    first, *given = call.inputs()
    graph: Any = torch._C.Graph()
    function = graph.insertNode(graph.createClone(first.node(), lambda value: value)).output()
    arguments = []
    for value in given:
        argument = graph.addInput()
        argument.setType(value.type())
        arguments.append(argument)
    # By position: one value may be given twice.
    places = iter((function, *arguments))
    clone = graph.insertNode(graph.createClone(call, lambda value: next(places)))
    for output in clone.outputs():
        graph.registerOutput(output)
    torch._C._jit_pass_inline(graph)
    return graph, str(first.node().s("name")).rpartition(".")[2]
