"""Records the demo in a process of its own, so that the app needs no framework and can stop it."""

import importlib.util
import sys
import tempfile
from pathlib import Path

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, Signal

from graphreel.gui.errors import DemoFailed


class DemoRecorder(QObject):
    """Runs `graphreel demo --record-only`.

    Signals:
        progressed: The last line that the recording wrote; None once it has ended, however it ended.
        recorded: The path of the finished recording.
        failed: A DemoFailed.
    """

    progressed = Signal(object)
    recorded = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process: QProcess | None = None
        self._output = ""
        self._path = Path()

    @property
    def running(self) -> bool:
        """Whether the demo is being recorded."""
        return self._process is not None

    def start(self, path: Path | None = None) -> None:
        """Record into a file, by default one in a new temporary folder; does nothing while it runs."""
        if self._process is not None:
            return
        if importlib.util.find_spec("torch") is None:
            self.failed.emit(DemoFailed.without_torch())
            return
        self._path = path or Path(tempfile.mkdtemp(prefix="graphreel-")) / "demo.reel"
        self._output = ""
        process = self._process = QProcess(self)
        environment = QProcessEnvironment.systemEnvironment()
        environment.insert("PYTHONUNBUFFERED", "1")
        process.setProcessEnvironment(environment)
        process.setProcessChannelMode(QProcess.ProcessChannelMode.MergedChannels)
        process.readyRead.connect(self._read)
        process.finished.connect(self._finished)
        process.start(sys.executable, ["-m", "graphreel", "demo", "--record-only", "-o", str(self._path)])
        self.progressed.emit("Starting PyTorch…")

    def stop(self) -> None:
        """Stop the recording; what it has written so far stays."""
        if self._process is not None:
            process, self._process = self._process, None
            process.readyRead.disconnect()
            process.finished.disconnect()
            process.kill()
            process.waitForFinished(5000)
            process.deleteLater()
            self.progressed.emit(None)

    def _read(self) -> None:
        if self._process is None:
            return
        self._output += bytes(self._process.readAll().data()).decode(errors="replace").replace("\r", "\n")
        lines = [line for line in self._output.splitlines() if line.strip()]
        if lines:
            self.progressed.emit(lines[-1])

    def _finished(self, code: int, status: QProcess.ExitStatus) -> None:
        self._read()
        if self._process is not None:
            self._process.deleteLater()
        self._process = None
        self.progressed.emit(None)
        if code == 0 and status == QProcess.ExitStatus.NormalExit and self._path.is_file():
            self.recorded.emit(self._path)
        else:
            self.failed.emit(DemoFailed.with_output(code, self._output))
