"""Tells which calls draw random numbers, and which only could: a dropout that is off, an LSTM without one."""

from graphreel.replay.torch.arguments import Call
from graphreel.replay.torch.calls import operator_of
from graphreel.replay.torch.operators import COMPUTING, is_random

_TRAINING = ("train", "training")
"""Arguments that switch the drawing on and off."""

_PROBABILITIES = ("dropout", "dropout_p")
"""Arguments of recurrent layers and of attention, which draw nothing at zero."""

_DROPOUTS = frozenset({"dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"})
"""Draw nothing where `p` is zero. `native_dropout` does."""

_ALWAYS = frozenset({"aten::_cudnn_init_dropout_state"})


def draws(call: Call) -> bool:
    """Whether a call draws random numbers, or may."""
    operator = operator_of(call)
    if operator is None or not is_random(operator):
        return False
    schema = operator._schema
    if operator.namespace not in COMPUTING or schema.name in _ALWAYS:
        return True
    names = [str(argument.name) for argument in schema.arguments[: call.positional]]
    given = {str(each.name): each.default_value for each in schema.arguments if each.has_default_value()}
    given |= dict(zip([*names, *call.keywords], call.arguments, strict=True))
    if any(given.get(name) is False for name in _TRAINING):
        return False
    plain = schema.name.removeprefix("aten::").removesuffix("_")
    off = (*_PROBABILITIES, "p") if plain in _DROPOUTS else _PROBABILITIES
    return not any(name in given and given[name] == 0 for name in off)
