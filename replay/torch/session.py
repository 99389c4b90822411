"""An iteration that can be executed again, in the process that this runs in."""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from graphreel.graph import NONE, NodeId, ValueId, node_keys
from graphreel.replay.edits import FLOATING, Edit, SetDtype, check_edits
from graphreel.replay.errors import CannotReplay, NoKeyframe
from graphreel.replay.plan import plan_of
from graphreel.replay.results import AsRecorded, Difference, Drift, ReplayResult, Timing
from graphreel.replay.torch.arguments import DTYPES
from graphreel.replay.torch.calls import Calls
from graphreel.replay.torch.comparing import Verifier, drift, items_of
from graphreel.replay.torch.drawing import draws
from graphreel.replay.torch.environment import environment
from graphreel.replay.torch.execution import Execution, Outcome
from graphreel.replay.torch.memory import recorded
from graphreel.replay.torch.operators import Operators
from graphreel.replay.torch.randomness import Randomness
from graphreel.replay.torch.refused import Refused
from graphreel.replay.torch.running import Running, recorded_place, to_dtype
from graphreel.replay.torch.timing import timed
from graphreel.replay.torch.unwritten import Unwritten
from graphreel.tracefile import Trace
from graphreel.tracefile.tensors import RecordedTensor


@dataclass(frozen=True, slots=True)
class Request:
    """What to execute; see `Replay.run`."""

    until: NodeId | None = None
    verify: bool = False
    keep_going: bool = False
    edits: Sequence[Edit] = ()
    dtype: str = ""
    device: str = ""
    wanted: Sequence[ValueId] = ()

    @property
    def changes(self) -> bool:
        """Whether anything is to be otherwise than recorded."""
        return bool(self.edits or self.dtype or self.device)


@dataclass(slots=True)
class _Found:
    """A result as it comes together."""

    differences: list[Difference] = field(default_factory=list)
    drift: list[Drift] = field(default_factory=list)
    drifted_of: int = 0
    values: dict[ValueId, RecordedTensor] = field(default_factory=dict)
    executed: int = 0


class Session:
    """Executes an iteration as often as asked for. `at` is called with the number of each node before it runs."""

    def __init__(
        self, trace: Trace, index: int, modules: Sequence[str] = (), at: Callable[[int], None] = lambda node: None
    ) -> None:
        self.at = at
        self.graph = trace.graph(index)
        keyframe = trace.keyframe(index)
        if keyframe is None:
            raise NoKeyframe.at(trace.path, index, trace.keyframes)
        self._keyframe = keyframe
        self._plan = plan_of(self.graph)
        columns = trace.columns(index)
        self._calls = Calls(self.graph, columns, Operators(modules))
        self._items = items_of(columns, self.graph.node_count)
        self._value_columns = trace.value_columns(index)
        self._recorded_with = trace.info.versions.get("torch", "")
        self._paused: tuple[Execution, dict[str, Tensor]] | None = None

    def run(self, request: Request) -> ReplayResult:
        """Execute up to a node; see `Replay.run`."""
        check_edits(self.graph, request.edits)
        notes: list[str] = []
        with self._world(notes):
            begin = time.perf_counter_ns()
            plain, edited = self._executions(request)
            unwritten = Unwritten(self._plan)
            recorded_as = self._plan, self._value_columns, self._items
            verifier = Verifier(*recorded_as, unwritten) if request.verify else None
            found = self._loop(request, plain, edited, verifier, unwritten)
            duration = time.perf_counter_ns() - begin
        shown = edited or plain
        assert shown is not None
        total = self._plan.count(request.until)
        return ReplayResult(
            executed=found.executed,
            total=total,
            **({} if verifier is None else verifier.told(total)),
            differences=tuple(found.differences),
            missing=tuple(shown.missing),
            values=found.values,
            drift=tuple(found.drift),
            drifted_of=found.drifted_of,
            as_recorded=tuple(AsRecorded(NodeId(node), why) for node, why in shown.running.as_recorded.items()),
            notes=tuple(dict.fromkeys(notes)),
            duration_ns=duration,
        )

    def values(self, wanted: Sequence[ValueId]) -> dict[ValueId, RecordedTensor]:
        """Values as they were when their nodes gave them; raises CannotReplay, naming the node in the way.

        The execution waits where it is, so that looking at one node after the other costs each node once.
        """
        found: dict[ValueId, RecordedTensor] = {}
        with self._world([]):
            execution = self._resumed(min(map(self._moment, wanted), default=0))
            for value in sorted(set(wanted), key=self._moment):
                found[value] = self._value(execution, value)
            self._paused = execution, execution.running.randomness.save()
        return found

    def time_operation(self, node: NodeId, repeats: int, device: str = "") -> Timing:
        """Execute one node on its recorded inputs so many times, and say how long each took."""
        with self._world([]):
            execution = self._resumed(node)
            self._forward(execution, node)
            try:
                inputs = execution.prepare(node)
                call = self._calls.of(node)
                place = torch.device(device) if device else None
                durations = timed(execution, node, call.operator, inputs, repeats, place, self.at)
            except Refused as error:
                raise CannotReplay.node(node_keys(self.graph)[node], str(error)) from error
            self._paused = None
        return Timing(node, str(place or next((each.device for each in inputs), "cpu")), tuple(durations))

    @contextmanager
    def _world(self, notes: list[str]) -> Iterator[None]:
        """PyTorch as it was when recorded, below autograd, and no warnings: the program had them when it ran."""
        with (
            warnings.catch_warnings(),
            environment(self._keyframe.environment, notes),
            torch.enable_grad(),
            # WORKAROUND: operations were recorded below autograd, where nothing public leads; see the tests of
            # exactness.
            torch._C._AutoDispatchBelowADInplaceOrView(),
        ):
            warnings.simplefilter("ignore")
            if not any("PyTorch" in note for note in notes) and self._recorded_with not in {"", torch.__version__}:
                ours = str(torch.__version__)
                if self._recorded_with.partition("+")[0] != ours.partition("+")[0]:
                    notes.append(f"recorded with PyTorch {self._recorded_with}, executed with {ours}")
            yield

    def _executions(self, request: Request) -> tuple[Execution | None, Execution | None]:
        """One as recorded, and one with changes, where either can be had."""
        plain = None
        if not (request.device and self._needs_missing_device()):
            plain = self._execution()
        if not request.changes:
            return plain, None
        try:
            return plain, self._edited(request)
        except Refused as error:
            raise CannotReplay.device(request.device, str(error)) from error

    def _execution(self) -> Execution:
        randomness = Randomness(self._keyframe.generators)
        return Execution(self._plan, self._keyframe, Running(self._calls, randomness))

    def _edited(self, request: Request) -> Execution:
        running = Running(self._calls.edited(request.edits), Randomness(self._keyframe.generators))
        if request.dtype:
            if request.dtype not in FLOATING:
                raise CannotReplay.dtype(request.dtype)
            running.dtype, running.converts = to_dtype(DTYPES[request.dtype]), True
        if request.device:
            target = _device(request.device)
            running.place, running.converts = lambda name: torch.device("meta") if name == "meta" else target, True
        running.single = {int(e.node): DTYPES[e.dtype] for e in request.edits if isinstance(e, SetDtype)}
        return Execution(self._plan, self._keyframe, running, request.edits)

    def _needs_missing_device(self) -> bool:
        for storage in self._keyframe.storages:
            try:
                recorded_place(storage.device)
            except Refused:
                return True
        return False

    def _loop(
        self,
        request: Request,
        plain: Execution | None,
        edited: Execution | None,
        verifier: Verifier | None,
        unwritten: Unwritten,
    ) -> _Found:
        found = _Found()
        shown = edited or plain
        assert shown is not None
        wanted = {int(value) for value in request.wanted}
        for node in range(self._plan.count(request.until)):
            self.at(node)
            self._take_entering(shown, node, wanted, found)
            outcome, other = self._advance(node, plain, edited)
            ran = other or outcome
            found.executed += ran is not None and ran.ran
            if plain is not None and outcome is not None and (verifier or edited):
                unwritten.after(plain, outcome)
            if verifier is not None and plain is not None and outcome is not None:
                found.differences += verifier.check(plain, outcome)
            if plain is not None and edited is not None and other is not None and other.ran:
                drifted, compared = drift(other, plain, edited, unwritten)
                found.drift += drifted
                found.drifted_of += compared
            for value in self._plan.steps[node].outputs:
                if value in wanted and value in shown.live:
                    found.values[ValueId(value)] = recorded(shown.live[value])
            if found.differences and not request.keep_going:
                break
        return found

    def _advance(
        self, node: int, plain: Execution | None, edited: Execution | None
    ) -> tuple[Outcome | None, Outcome | None]:
        """Let both executions take the next step, drawing the same random numbers."""
        if plain is None or edited is None:
            return (plain.advance() if plain else None), (edited.advance() if edited else None)
        if not (self._draws(plain, node) or self._draws(edited, node)):
            return plain.advance(), edited.advance()
        before = plain.running.randomness.save()
        outcome = plain.advance()
        after = plain.running.randomness.save()
        edited.running.randomness.restore(before)
        other = edited.advance()
        plain.running.randomness.restore(after)
        return outcome, other

    def _draws(self, execution: Execution, node: int) -> bool:
        try:
            return draws(execution.running.calls.of(node))
        except Refused:
            return False

    def _take_entering(self, execution: Execution, node: int, wanted: set[int], found: _Found) -> None:
        for value in wanted.intersection(self._plan.steps[node].inputs):
            if self._plan.producer[value] == NONE and ValueId(value) not in found.values:
                execution.look(node)
                if value in execution.live:
                    found.values[ValueId(value)] = recorded(execution.live[value])

    def _moment(self, value: ValueId) -> int:
        """How many nodes have run when a value is there: its producer; or none yet of those that take it."""
        producer = self._plan.producer[value]
        if producer != NONE:
            return producer + 1
        consumers = self.graph.consumers_of(value)
        if not len(consumers):
            raise CannotReplay.node(f"value {value}", "no node gives it or takes it")
        return int(consumers[0])

    def _resumed(self, moment: int) -> Execution:
        """The execution that waits, if it has not gone past, or a new one."""
        if self._paused is not None:
            execution, states = self._paused
            if execution.position < moment:
                execution.running.randomness.restore(states)
                return execution
        self._paused = None
        return self._execution()

    def _forward(self, execution: Execution, moment: int) -> None:
        while execution.position < moment:
            self.at(execution.position)
            execution.advance()

    def _value(self, execution: Execution, value: ValueId) -> RecordedTensor:
        moment = self._moment(value)
        self._forward(execution, moment)
        if self._plan.producer[value] == NONE:
            execution.look(moment)
        tensor = execution.live.get(value)
        if tensor is None:
            node, reason = execution.reason(value) or (min(moment, self.graph.node_count - 1), "it gave nothing")
            raise CannotReplay.node(node_keys(self.graph)[node], reason)
        return recorded(tensor)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        what = str(error).partition("\n")[0]
        raise CannotReplay.device(name, f"cannot be used here: {what}") from error
    return device
