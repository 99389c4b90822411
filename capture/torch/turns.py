"""Whether the program goes on to the next turn of its loop.

To this module a program is a series of positions, steps of optimizers and outermost calls of modules. A position is an
operation, or a call, as reached by certain lines of the program. It knows no tensors and not PyTorch.

A turn is over when a position is reached again that was passed before the turn's work: before the last step of an
optimizer, or, where nothing steps, before the first outermost call. What comes after the work and was not passed before
belongs to the turn until the loop has turned once; from then on it is known how many steps a turn has.
"""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import TypeAlias

Position: TypeAlias = tuple[int, int]
"""An operator, or CALL, and the stack of the user's lines."""
CALL = -1
"""Stands for a call of an outermost module."""


class Taking(Enum):
    """What an operation takes of the pass under way."""

    RESULT = "result"
    """Something that the pass has made."""
    STATE = "state"
    """A parameter, a gradient, a state; or it writes what the pass does not know, as a moving average does."""
    NOTHING = "nothing"


class Turns:
    """Says where turns end. What it has learned of the program stays from pass to pass.

    Attributes:
        worked: Whether a module was called, a backward ran or an optimizer stepped since the pass began.
        steps: The optimizers that stepped since then, by `id`, in order.
        calls: How many outermost modules were called since then.
        since: How many tensors there were when the work began; those made later are results.
        loose: Counts of operations and of tensors when that began which may belong to no turn; None if nothing does.
    """

    def __init__(self, may_end: Callable[[], bool], other_optimizers: Callable[[], int]) -> None:
        self._may_end, self._other_optimizers = may_end, other_optimizers
        self._fronts: set[Position] = set()
        self._tails: set[Position] = set()
        self._work_of: dict[Position, tuple[int, int]] = {}
        self.begin()

    def begin(self, at: Position | None = None, *, worked: bool = False) -> None:
        """A pass begins, at this position if one made it begin; `worked` if it begins in the middle of a turn."""
        self.worked, self.steps, self.calls = worked, list[int](), 0
        self.since = 0
        self.loose: tuple[int, int] | None = None
        self._at = at
        self._front: frozenset[Position] = frozenset()
        self._seen: dict[Position, int] = {}
        self._undecided: list[tuple[Position, Taking]] = []

    def works(self, front: Iterable[Position], tensors: int) -> None:
        """The pass's work begins; these positions were passed before, and there are so many tensors."""
        if not self.worked:
            self.worked, self.since = True, tensors
            self._front = frozenset(front)
            self._fronts |= self._front
            self._seen = dict.fromkeys(self._front, 0)

    def call(self, at: Position, *, again: bool, evaluates: bool) -> bool:
        """Whether an outermost call is the begin of the next turn.

        `again` is set if this pass called the module before; `evaluates` if it runs without gradients to evaluate.
        """
        if not self.worked:
            return False
        if self.steps:
            turned = self._is_passed(at) or evaluates or (at not in self._tails and self.is_complete())
        else:
            # Training goes on after an evaluation: a call that opens turns, but did not open this one.
            turned = (again or (at in self._fronts and at not in self._front)) and self._may_end()
        if turned:
            self._fronts.update(loose for loose, taking in self._undecided if taking is Taking.NOTHING)
            self._note_work(at)
        else:
            self._settle()
            self._tails.add(at)
            self._seen[at] = len(self.steps)
        return turned

    def called(self) -> None:
        """An outermost module was called within the pass under way."""
        self.calls += 1

    def operation(self, at: Position, taking: Taking, counts: tuple[int, int], *, exact: bool) -> bool:
        """Whether an operation outside of modules, backward and optimizers is the begin of the next turn.

        `counts` are those of the operations and the tensors of the pass so far. `exact` is unset where others may be
        taken for this one.
        """
        if not self.worked:
            return False
        if exact and (self._is_passed(at) if self.steps else at in self._fronts and self._may_end()):
            self._settle()
            self._note_work(at)
            return True
        if taking is Taking.RESULT or at in self._tails:
            self._settle()
            self._tails.add(at)
        elif taking is Taking.NOTHING and self._has_turned() and (self.steps or self._may_end()):
            return True
        else:
            self.loose = self.loose or counts
            self._undecided.append((at, taking))
        self._seen[at] = len(self.steps)
        return False

    def stepped(self, optimizer: int) -> None:
        """An optimizer stepped."""
        self._settle()
        self.steps.append(optimizer)

    def is_complete(self) -> bool:
        """Whether all optimizers stepped that step in a turn, as far as that is known."""
        known = self._work_of.get(self._at, (0, 0))[0] if self._at else 0
        return len(self.steps) >= known if known else not self._other_optimizers()

    def is_broken_off(self) -> bool:
        """Whether the turns that begin where this one began have more steps than this one has."""
        return self._at in self._work_of and len(self.steps) < self._work_of[self._at][0] if self._at else False

    def _has_turned(self) -> bool:
        """Whether the turn under way has done all that the turns do that begin where it began."""
        if self._at is None or self._at not in self._work_of:
            return False
        steps, calls = self._work_of[self._at]
        return len(self.steps) >= steps and (bool(steps) or self.calls >= calls)

    def _is_passed(self, at: Position) -> bool:
        """Whether a position, now that optimizers stepped, was passed before the last step or opens turns."""
        return at in self._fronts or self._seen.get(at, len(self.steps)) < len(self.steps)

    def _note_work(self, at: Position) -> None:
        if at in self._front:
            self._work_of[at] = len(self.steps), self.calls

    def _settle(self) -> None:
        """What was undecided belongs to the pass."""
        self._tails.update(at for at, _ in self._undecided)
        self._undecided.clear()
        self.loose = None
