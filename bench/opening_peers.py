"""Programs beside the app, each opened in headless Chromium and measured from outside, as the app is.

Chromium belongs to nobody here: it is started alone, so that what drives its page costs the peer nothing.
"""

import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:  # this file also drives the page, by the peers' interpreter
    import psutil

SIZE = 1920, 1080
LOOK_S = 0.1
"""How often processes, and a page, are looked at."""
_BROWSER = (
    "--headless=new --no-sandbox --disable-quic --no-first-run --disable-background-networking --disable-sync"
    " --disable-component-update --disable-dev-shm-usage --remote-debugging-port=0"
    f" --window-size={SIZE[0]},{SIZE[1]}"
).split()
_LOCAL_ONLY = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost"
_NOBODY = "http://127.0.0.1:9"


@dataclass(frozen=True, slots=True)
class Peer:
    """A program in the browser.

    Attributes:
        modules: What its server needs, and the packages that have it.
        server: Arguments of the interpreter: `{file}` and `{port}` are put in.
        query: What follows the address.
        shown: Selector of what the page has once it draws; a screenshot then shows when it is drawn.
    """

    name: str
    modules: dict[str, str]
    server: tuple[str, ...]
    query: str
    flags: tuple[str, ...]
    shown: str


PEERS = (
    Peer(
        "Netron",
        {"netron": "netron", "playwright": "playwright"},
        ("-c", "import netron; netron.main()", "{file}", "--port", "{port}"),
        "",
        ("--disable-gpu",),
        # While the layout takes long a message says so, with no button but one that cancels.
        "body.default:not(.notification) #target g.node",
    ),
    Peer(
        "Model Explorer, collapsed",
        {
            "model_explorer": "ai-edge-model-explorer",
            "model_explorer_onnx": "model-explorer-onnx",
            "playwright": "playwright",
        },
        ("-m", "model_explorer", "{file}", "--extensions=model_explorer_onnx", "--no_open_in_browser", "--port={port}"),
        "?data={models}",
        ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-gpu-compositing"),
        "webgl-renderer canvas",
    ),
)


@dataclass(frozen=True, slots=True)
class Opened:
    """Processor and wall seconds until the graph was there, bytes held at most, and what came of it."""

    cpu: float
    wall: float
    peak: int
    failure: str = ""
    more: str = ""

    def told(self, name: str, ours: "Opened | None") -> str:
        """A line of the table."""
        measured = f"{self.cpu:8.2f} s processor {self.wall:8.2f} s wall {self.peak / 1e6:7,.0f} MB"
        bound = ">" if self.failure else " "
        ratio = f"{bound}{self.cpu / ours.cpu:6.1f} ×" if ours and not ours.failure else " " * 9
        return f"  {name:<27}{measured} {ratio}  {', '.join(filter(None, [self.failure, self.more]))}".rstrip()


def present(python: str) -> list[Peer]:
    """The peers that this interpreter can run; tells which are left out."""
    if shutil.which("chromium") is None:
        print("no program chromium: the peers are left out")
        return []
    look = "import importlib.util, sys; print(*[m for m in sys.argv[1:] if importlib.util.find_spec(m) is None])"
    modules = {module for peer in PEERS for module in peer.modules}
    try:
        done = subprocess.run([python, "-c", look, *modules], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"the peers are left out: {error}")
        return []
    missing = done.stdout.split()
    for peer in PEERS:
        packages = [package for module, package in peer.modules.items() if module in missing]
        if packages:
            print(f"{peer.name} is left out; pip install {' '.join(packages)}, and name that interpreter with --peers")
    return [peer for peer in PEERS if not set(peer.modules) & set(missing)]


def blank_page(python: str, limit: float) -> Opened:
    """What the browser costs with nothing in it."""
    return _until_shown(python, limit, "about:blank", "body", PEERS[0].flags, None, [])


def in_browser(peer: Peer, file: Path, python: str, limit: float, picture: Path | None = None) -> Opened:
    """Open a file in a peer, until its graph is drawn."""
    port = _free_port()
    arguments = [part.format(file=file, port=port) for part in peer.server]
    models = quote(json.dumps({"models": [{"url": str(file)}]}))
    url = f"http://localhost:{port}/{peer.query.format(models=models)}"
    # Model Explorer's server asks the world for its newest version; here nobody answers.
    proxies = {name: _NOBODY for each in ("http_proxy", "https_proxy") for name in (each, each.upper())}
    with running([python, *arguments], {**proxies, "NO_PROXY": "localhost", "no_proxy": "localhost"}) as server:
        return _until_shown(python, limit, url, peer.shown, peer.flags, picture, [server])


def _until_shown(
    python: str,
    limit: float,
    url: str,
    shown: str,
    flags: Sequence[str],
    picture: Path | None,
    servers: "Sequence[psutil.Popen]",
) -> Opened:
    """Start the browser, open a page in it and wait until that shows what is asked for."""
    begun = min((server.create_time() for server in servers), default=time.time())
    with ExitStack() as stack:
        profile = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        command = ["chromium", *_BROWSER, _LOCAL_ONLY, *flags, f"--user-data-dir={profile}", "about:blank"]
        browser = stack.enter_context(running(command))
        wanted = {"profile": profile, "url": url, "shown": shown, "picture": picture and str(picture)}
        page = stack.enter_context(running([python, __file__, json.dumps(wanted)]))
        answer, meter = listen(page, [*servers, browser], time.monotonic() + limit)
        wall = time.time() - begun
        if answer == "drawn" and picture:
            page.wait(60)
    failure = f"not within {limit:g} s" if answer is None else answer or "it ended"
    more = f"server {meter.each[0]:.1f} s, browser {meter.each[-1]:.1f} s" if servers else ""
    return Opened(meter.cpu, wall, meter.peak, "" if answer == "drawn" else failure, more)


def _free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str] | None = None) -> "Iterator[psutil.Popen]":
    """A process with a session of its own; in the end it is killed, with all that it started."""
    import psutil

    process = psutil.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        family = []
        with suppress(psutil.NoSuchProcess):
            family = process.children(recursive=True)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        process.stdout.close()
        process.wait()
        psutil.wait_procs(family, timeout=5)


class Meter:
    """Processor seconds and memory of some processes and all that they start, as last seen of each.

    Attributes:
        cpu: Seconds so far, those of ended processes included.
        peak: Bytes held at once at most, as far as it was looked at.
    """

    def __init__(self, roots: "Sequence[psutil.Popen]") -> None:
        import psutil

        self._roots, self._seen = roots, [dict[psutil.Process, float]() for _ in roots]
        self.peak = 0

    @property
    def cpu(self) -> float:
        """See the class."""
        return sum(self.each)

    @property
    def each(self) -> list[float]:
        """The seconds of each of the processes that were given, with all that it started."""
        return [sum(seen.values()) for seen in self._seen]

    def look(self) -> None:
        """Take the figures of now."""
        import psutil

        own, shared = 0, 0
        for root, seen in zip(self._roots, self._seen, strict=True):
            with suppress(psutil.NoSuchProcess):
                for process in [psutil.Process(root.pid), *root.children(recursive=True)]:
                    with suppress(psutil.NoSuchProcess), process.oneshot():
                        times, memory = process.cpu_times(), process.memory_info()
                        seen[process] = times.user + times.system
                        own += memory.rss - memory.shared
                        shared = max(shared, memory.shared)
        self.peak = max(self.peak, own + shared)


def listen(speaker: "psutil.Popen", roots: "Sequence[psutil.Popen]", until: float) -> tuple[str | None, Meter]:
    """The line that a process says, and what these processes had cost by then: empty if one ended, None if too late."""
    meter = Meter(roots)
    with selectors.DefaultSelector() as selector:
        selector.register(speaker.stdout, selectors.EVENT_READ)
        while time.monotonic() < until:
            said = selector.select(LOOK_S)
            meter.look()
            if said:
                return speaker.stdout.readline().decode().strip(), meter
            if any(root.poll() is not None for root in roots):
                return "", meter
    return None, meter


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("localhost", port), timeout=1):
        return True
    return False


def drive_page(profile: str, url: str, shown: str, picture: str | None) -> None:
    """Open a page in the browser of this profile, and say when a screenshot shows something in its middle."""
    from playwright.sync_api import Error, sync_playwright

    ports = Path(profile) / "DevToolsActivePort"
    while not ports.exists() or "\n" not in ports.read_text():
        time.sleep(LOOK_S)
    server = urlsplit(url)
    while server.port and not _listens(server.port):
        time.sleep(LOOK_S)
    middle = {"x": SIZE[0] / 2 - 500, "y": SIZE[1] / 2 - 250, "width": 600, "height": 500}
    with sync_playwright() as playwright:
        context = playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{ports.read_text().split()[0]}").contexts[0]
        context.add_cookies([{"name": "consent", "value": "1", "url": "http://localhost"}])
        page = context.pages[0]
        page.set_default_timeout(0)
        page.set_viewport_size({"width": SIZE[0], "height": SIZE[1]})
        try:
            page.goto(url)
            # A PNG of one colour is 2 or 3 kB.
            while page.query_selector(shown) is None or (
                url != "about:blank" and len(page.screenshot(clip=middle)) < 4_000
            ):
                time.sleep(LOOK_S)
        except Error as error:
            print("page crashed" if "crash" in str(error).lower() else str(error).splitlines()[0], flush=True)
            return
        print("drawn", flush=True)
        if picture:
            page.screenshot(path=picture)


if __name__ == "__main__" and len(sys.argv) > 1:
    drive_page(**json.loads(sys.argv[1]))
