"""Types and shapes of values in words, as boxes, edges and tooltips say them."""

from graphreel.graph import NONE, Graph
from graphreel.render.text import one_line


class TypeTexts:
    """`Value.type_text` of a graph's values, each distinct one made once; empty where nothing is known of a value."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.known: dict[tuple[int, int], str] = {}

    def __getitem__(self, value: int) -> str:
        values = self.graph.values
        key = int(values.dtype[value]), int(values.shape[value])
        found = self.known.get(key)
        if found is None:
            text = one_line(self.graph.value(value).type_text)
            found = self.known[key] = text if self.graph.strings[key[0]] or key[1] != NONE else ""
        return found
