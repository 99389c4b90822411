"""Time from open to the drawn graph: the app beside Netron and Model Explorer, on the same files in the same run.

Run: python bench/opening.py [--sizes 300 3000 10000 30000 100000] [--peers PYTHON] [--limit 120] [--pictures FOLDER]
Files: ONNX transformers with hierarchical names. Ours is `graphreel open FILE` in a fresh process and a window of
1920 × 1080, offscreen, until the first frame with the graph in it is painted. The peers are web pages in a fresh
headless Chromium of that size, until a screenshot shows the graph; WebGL runs in software there, as on a machine
without a GPU. Netron draws every node; Model Explorer and ours begin with groups closed, so ours is shown with
everything expanded too. Processor seconds are of all processes of a program, its server's and its browser's, from their
start; memory is the most they held, pages they share counted once.
PYTHON is an interpreter with the peers (pip install netron ai-edge-model-explorer model-explorer-onnx playwright), by
default this one. A peer that is not there, or no `chromium`, is named and left out. Only this machine is asked.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from opening_peers import SIZE, Opened, Peer, blank_page, in_browser, listen, present, running

from tests.large_graphs import transformer_file

WINDOW = Path(__file__).with_name("opening_window.py")
EXPANDED_UP_TO = 10_000
"""Nodes of the largest graph that is also shown with everything expanded."""


def main() -> None:
    """Print a table for each size of graph."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[300, 3_000, 10_000, 30_000, 100_000])
    parser.add_argument("--peers", default=sys.executable, metavar="PYTHON", help="an interpreter that has the peers")
    parser.add_argument("--limit", type=float, default=120.0, help="wall seconds that each may take")
    parser.add_argument("--pictures", type=Path, help="a folder for a picture of what each drew")
    options = parser.parse_args()
    # Told to end, leave in order too, so that all that was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
    peers = present(options.peers)
    print("Processor seconds and their ratio to ours; what else the machine does moves the wall seconds.")
    with tempfile.TemporaryDirectory() as folder:
        # Installed programs come compiled; these find what an opening that is not told compiled.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = f"{folder}/compiled"
        small = transformer_file(Path(folder, "small.onnx"), 100)
        ours(small, options.limit, expand=True)
        for peer in peers:
            in_browser(peer, small, options.peers, options.limit)
        empty = ours(None, options.limit)
        print(f"\nnothing open\n{empty.told('Graphreel', None)}", flush=True)
        if peers:
            print(blank_page(options.peers, options.limit).told("Chromium, blank page", empty), flush=True)
        for nodes in options.sizes:
            compare(nodes, Path(folder), peers, options)


def compare(nodes: int, folder: Path, peers: Sequence[Peer], options: argparse.Namespace) -> None:
    """Open one graph in each."""
    path = transformer_file(folder / f"transformer-{nodes}.onnx", nodes)
    print(f"\n{nodes:,} nodes, {path.stat().st_size / 1e6:.1f} MB", flush=True)

    def picture(name: str) -> Path | None:
        return None if options.pictures is None else Path(options.pictures, f"{path.stem} {name}.png")

    first = ours(path, options.limit, picture=picture("Graphreel"))
    print(first.told("Graphreel", first), flush=True)
    if nodes <= EXPANDED_UP_TO:
        expanded = ours(path, options.limit, expand=True, picture=picture("Graphreel expanded"))
        print(expanded.told("… everything expanded", first), flush=True)
    for peer in peers:
        opened = in_browser(peer, path, options.peers, options.limit, picture(peer.name))
        print(opened.told(peer.name, first), flush=True)


def ours(path: Path | None, limit: float, *, expand: bool = False, picture: Path | None = None) -> Opened:
    """Open a file in the app; without one only its window."""
    wanted = {"path": str(path or ""), "size": SIZE, "expand": expand, "picture": str(picture or "")}
    screen = {"name": "bench", "x": 0, "y": 0, "width": SIZE[0], "height": SIZE[1]}
    with tempfile.TemporaryDirectory() as settings:
        screens = Path(settings, "screens.json")
        screens.write_text(json.dumps({"screens": [screen]}))
        environment = {"QT_QPA_PLATFORM": f"offscreen:configfile={screens}", "XDG_CONFIG_HOME": settings}
        begun = time.monotonic()
        with running([sys.executable, str(WINDOW), json.dumps(wanted)], environment) as window:
            answer, meter = listen(window, [window], begun + limit)
    if not answer:
        failure = f"not within {limit:g} s" if answer is None else "the app ended"
        return Opened(meter.cpu, time.monotonic() - begun, meter.peak, failure)
    marks = json.loads(answer)
    cpu, at = marks["expanded" if expand else "drawn" if path else "window"]
    told = ", ".join(f"{name} after {marks[name][0]:.2f} s" for name in ("window", "drawn", "sharp") if name in marks)
    return Opened(cpu, at - begun, marks["peak"], more=told)


if __name__ == "__main__":
    main()
