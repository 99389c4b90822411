"""Small real programs that train on data they make themselves: something to record where nothing else is at hand."""

from pathlib import Path

EXAMPLES = {
    "cnn": "a convolutional network that tells drawn shapes apart",
    "transformer": "a small GPT that learns to continue a text it makes up",
    "rnn_varying_length": "an RNN whose graph changes, since each batch has another length",
}
"""What there is, by name, and what it shows."""


def path(name: str) -> Path:
    """The script of an example; KeyError, with the names there are, where there is no such example."""
    if name not in EXAMPLES:
        raise KeyError(f"there is no example {name!r}; there are {', '.join(EXAMPLES)}")
    return Path(__file__).resolve().parent / f"{name}.py"
