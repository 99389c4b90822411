"""How long a replay takes beside the recorded step itself. `python bench/replay.py [--steps 5]`.

Prints one row an example: the bare step, the recorded one (with its keyframe), the replay alone and with verification,
in this process, and the start of a process of its own.
"""

import argparse
import runpy
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import graphreel
from graphreel import examples
from graphreel.replay import Replay
from graphreel.tracefile import open_reel

NAMES = ("transformer", "cnn", "rnn_varying_length")


def run_example(name: str) -> None:
    """Run an example as its own program."""
    with patch.object(sys, "argv", [name]):
        runpy.run_path(str(examples.path(name)), run_name="__main__")


def measure(name: str, folder: Path) -> list[float]:
    """Milliseconds of: an iteration as recorded, its replay, the replay verified, and a replay in a new process."""
    path = folder / f"{name}.reel"
    with graphreel.record(path, keyframes="0:"):
        run_example(name)
    trace = open_reel(path)
    index = trace.keyframes[-1]
    (recorded,) = [each.duration_ns / 1e6 for each in trace.iterations if each.index == index]
    busy = float(trace.columns(index)["duration_ns"].sum()) / 1e6
    with Replay(trace, index, in_process=True) as replay:
        replay.run()
        plain = min(replay.run().duration_ns for _ in range(5)) / 1e6
        checked = [replay.run(verify=True) for _ in range(5)]
    assert all(each.exact for each in checked)
    verified = min(each.duration_ns for each in checked) / 1e6
    begin = time.perf_counter()
    with Replay(trace, index) as replay:
        replay.run()
        started = (time.perf_counter() - begin) * 1e3
    trace.close()
    return [recorded, busy, plain, verified, started]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    given = parser.parse_args(arguments)
    columns = ("recorded", "its operations", "replay", "verified", "new process")
    print(f"{'ms':<20}", *(f"{column:>14}" for column in columns), f"{'replay/ops':>11}")
    with tempfile.TemporaryDirectory() as folder:
        for name in given.names:
            row = measure(name, Path(folder))
            print(f"{name:<20}", *(f"{number:>14.1f}" for number in row), f"{row[2] / row[1]:>11.2f}")


if __name__ == "__main__":
    main()
