"""Where each operation of a pass stands: its phase, its scope, and the forward operation it belongs to."""

from collections.abc import Callable
from dataclasses import dataclass, field

from graphreel.capture.torch.log import COMPILED, NO_NODE, Event, PassLog
from graphreel.graph import NONE, ROOT, GraphBuilder, Phase, ScopeKind


@dataclass(frozen=True, slots=True)
class _Opened:
    """A scope that was opened: its name without the number of its visit, and that number."""

    parent: int
    name: str
    visit: int
    kind: ScopeKind
    type: str
    source: int


_PHASE_NAMES = {Phase.FORWARD: "forward", Phase.BACKWARD: "backward", Phase.OPTIMIZER: "optimizer"}


def maker_of(log: PassLog, autograd: str | None, event: int) -> int:
    """The event that made an autograd node with this name, where `event` is the first at which its number was given.

    `CopySlices` is made after its operation, a write through a view, has run; all others are made before.
    """
    if event > 0 and autograd is not None and autograd.endswith("CopySlices"):
        return event - 1 if log.ops[log.events[event - 1][0]].written else event
    return event


@dataclass(slots=True)
class Places:
    """Finds a place for one operation after the other, in execution order.

    Attributes:
        forward_of: For each of autograd's sequence numbers, the event that made that autograd node.
        scope_of: The scope of each event placed so far.
    """

    builder: GraphBuilder
    log: PassLog
    source_of: Callable[[int], int]
    forward_of: dict[int, int] = field(default_factory=dict)
    scope_of: dict[int, int] = field(default_factory=dict)
    phase: Phase = Phase.OTHER
    phase_scope: int = ROOT
    _entered: Phase = Phase.OTHER
    _counter: int = 0
    _opened: dict[int, _Opened] = field(default_factory=dict)
    _visits: dict[tuple[int, str], int] = field(default_factory=dict)
    _scopes: dict[tuple[int, int], int] = field(default_factory=dict)
    _parts: dict[tuple[int, str], int] = field(default_factory=dict)
    _used: set[tuple[int, str, int]] = field(default_factory=set)
    _mirrored: dict[tuple[int, int, str, int], int] = field(default_factory=dict)
    _mirror_of: dict[tuple[int, int], int] = field(default_factory=dict)
    _forward: int = ROOT
    _again: set[int] = field(default_factory=set)
    _any_again: bool = False

    def __post_init__(self) -> None:
        self._any_again = any(note.is_again for note in self.log.scopes)
        if self.log.preparation:
            # The graph of autograd that was made there is no sign of a forward here.
            self._counter = self.log.events[self.log.preparation - 1][9]

    def place(self, index: int, event: Event, above: int) -> tuple[int, Phase, int]:
        """Scope, phase and forward event of an event. `above` is the event that made its first input, or -1."""
        grew = event.number > self._counter
        phase = self._phase_of(event, grew)
        if grew:
            for number in range(self._counter, event.number):
                self.forward_of[number] = index
            self._counter = event.number
        forward = NO_NODE
        if phase is Phase.BACKWARD and event.autograd_number >= 0:
            forward = maker_of(self.log, event.autograd, self.forward_of.get(event.autograd_number, NO_NODE))
        scope = self._scope_of(event, phase, forward, above)
        self.scope_of[index] = scope
        return scope, phase, forward

    def _phase_of(self, event: Event, grew: bool) -> Phase:
        """The phase of an event. Outside of modules, forward lasts from its first operation until backward begins."""
        if event.autograd is not None or self._is_again(event.scope):
            phase = Phase.BACKWARD
        elif grew or (event.scope and not self._is_compiled_step(event)):
            phase = Phase.FORWARD
        elif event.step:
            phase = Phase.OPTIMIZER
        elif self.phase is Phase.FORWARD:
            phase = Phase.FORWARD
        else:
            phase = Phase.OTHER
        self.phase = phase
        if phase not in (Phase.OTHER, self._entered):
            self._entered = phase
            self.phase_scope = self._open(_PHASE_NAMES[phase], ROOT, ScopeKind.PHASE)
            if phase is Phase.FORWARD:
                self._forward = self.phase_scope
        return phase

    def _scope_of(self, event: Event, phase: Phase, forward: int, above: int) -> int:
        if phase is Phase.OTHER:
            return ROOT
        if event.scope:
            return self._module_scope(event.scope)
        if phase is Phase.OPTIMIZER:
            kind = self.log.steps[event.step]
            return self._part(f"{kind}.step", self.phase_scope, ScopeKind.FUNCTION, kind)
        if phase is not Phase.BACKWARD:
            return self.phase_scope
        if forward != NO_NODE:
            return self._mirror(self.scope_of[forward])
        # `AccumulateGrad` belongs to no forward operation: it stands beside what made the gradient.
        beside = self.scope_of.get(above, ROOT)
        return beside if self._is_inside(beside) else self.phase_scope

    def _is_compiled_step(self, event: Event) -> bool:
        return event.step > 0 and self.log.scopes[event.scope].classes == COMPILED

    def _is_again(self, call: int) -> bool:
        """Whether a call is part of what a checkpoint runs again."""
        while self._any_again and call and not self.log.scopes[call].is_again:
            call = self.log.scopes[call].parent
        return self._any_again and call > 0

    def _open(self, name: str, parent: int, kind: ScopeKind, type: str = "", source: int = NONE, visit: int = 1) -> int:
        """Open a scope, under the number of this visit if that is free, or else the next one."""
        if (parent, name, visit) in self._used:
            visit = self._visits.get((parent, name), 0) + 1
        self._visits[parent, name] = max(visit, self._visits.get((parent, name), 0))
        self._used.add((parent, name, visit))
        given = name if visit == 1 else f"{name}:{visit}"
        scope = self.builder.scope(given, parent, kind, type=type, source=source)
        self._opened[scope] = _Opened(parent, name, visit, kind, type, source)
        return scope

    def _is_inside(self, scope: int) -> bool:
        while scope not in (ROOT, self.phase_scope):
            scope = self._opened[scope].parent
        return scope == self.phase_scope

    def _module_scope(self, call: int) -> int:
        """The scope of a module call within the phase under way."""
        chain: list[int] = []
        while call and (self.phase_scope, call) not in self._scopes:
            chain.append(call)
            call = self.log.scopes[call].parent
        scope = self._scopes[self.phase_scope, call] if call else self.phase_scope
        for call in reversed(chain):
            note = self.log.scopes[call]
            if note.is_again:
                scope = self._part(note.names[0], self.phase_scope, ScopeKind.FUNCTION, note.classes[0])
                self._again.add(scope)
                self._scopes[self.phase_scope, call] = scope
                continue
            for name, kind in zip(note.names[:-1], note.classes[:-1], strict=True):
                scope = self._part(name, scope, ScopeKind.MODULE, kind)
            source = self.source_of(note.stack)
            what = ScopeKind.FUNCTION if note.is_function else ScopeKind.MODULE
            scope = self._open(note.names[-1], scope, what, note.classes[-1], source)
            self._scopes[self.phase_scope, call] = scope
        return scope

    def _part(self, name: str, parent: int, kind: ScopeKind, type: str) -> int:
        """A scope that all of one name within one parent share: a container's, or an optimizer's."""
        found = self._parts.get((parent, name))
        if found is None:
            found = self._parts[parent, name] = self._open(name, parent, kind, type)
        return found

    def _mirror(self, scope: int) -> int:
        """The scope of the backward phase under way that stands for a scope of forward.

        What a checkpoint ran again has the backward scope of what it repeats.
        """
        known = self._mirror_of.get((self.phase_scope, scope))
        if known is not None:
            return known
        chain: list[int] = []
        at, again = scope, False
        while at != ROOT and self._opened[at].parent != ROOT:
            if at in self._again:
                again = True
            else:
                chain.append(at)
            at = self._opened[at].parent
        origin, mirrored = self._forward if again else at, self.phase_scope
        for at in reversed(chain):
            model = self._opened[at]
            key = origin, mirrored, model.name, model.visit
            found = self._mirrored.get(key)
            if found is None:
                found = self._open(model.name, mirrored, model.kind, model.type, model.source, model.visit)
                self._mirrored[key] = found
            mirrored = found
        self._mirror_of[self.phase_scope, scope] = mirrored
        return mirrored
