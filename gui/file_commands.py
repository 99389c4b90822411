"""Opening, closing and exporting, as declared actions."""

from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QWidget

from graphreel.gui.actions import action
from graphreel.gui.marks import overlay_of
from graphreel.gui.pictures import save
from graphreel.gui.session import Session
from graphreel.render import LIGHT, Theme

OPENED = "Traces and models (*.reel *.onnx);;All files (*)"
PICTURES = "Picture (*.svg *.png *.pdf);;SVG (*.svg);;PNG (*.png);;PDF (*.pdf)"


class FileCommands(QObject):
    """What the File menu holds.

    Attributes:
        theme: The theme in which pictures are saved.
    """

    def __init__(self, session: Session, window: QWidget) -> None:
        super().__init__(window)
        self.session, self.window = session, window
        self.theme: Theme = LIGHT

    @action("file.open", text="Open…", keys="Ctrl+O", menu="File", icon="open", tip="Open a trace or a model")
    def open(self) -> None:
        """Let the user choose a file."""
        trace = self.session.trace
        folder = str(trace.path.parent) if trace is not None else ""
        name, _ = QFileDialog.getOpenFileName(self.window, "Open a trace or a model", folder, OPENED)
        if name:
            self.session.open(Path(name))

    @property
    def has_trace(self) -> bool:
        """Whether anything is open."""
        return self.session.trace is not None

    @property
    def has_picture(self) -> bool:
        """Whether there is a picture to save."""
        return self.session.scene is not None

    @action(
        "file.export",
        text="Export picture…",
        keys="Ctrl+E",
        menu="File",
        icon="export",
        when="has_picture",
        tip="Save what the canvas shows as SVG, PNG or PDF",
        section=True,
    )
    def export(self) -> None:
        """Let the user choose where the picture goes."""
        trace, shown = self.session.trace, self.session.shown
        if trace is None or shown is None:
            return
        proposed = trace.path.with_name(f"{trace.path.stem}-{shown.iteration.index}.svg")
        name, _ = QFileDialog.getSaveFileName(self.window, "Export the picture", str(proposed), PICTURES)
        if name:
            path = Path(name)
            self.save(path if path.suffix else path.with_suffix(".svg"))

    def save(self, path: Path) -> None:
        """Save what the canvas shows, with its marks, off the GUI thread."""
        scene, overlay, theme = self.session.scene, overlay_of(self.session), self.theme
        if scene is not None:
            self.session.jobs.run(
                "export",
                lambda progress: save(scene, path, theme, overlay, 1.0),
                then=lambda _: self.session.told.emit(f"Saved {path}"),
                title=f"Saving {path.name}",
            )

    @action("file.close", text="Close", keys="Ctrl+W", menu="File", when="has_trace", section=True)
    def close(self) -> None:
        """Close what is open and go back to the welcome page."""
        self.session.close()

    @action("file.quit", text="Quit", keys="Ctrl+Q", menu="File")
    def quit(self) -> None:
        """Close the window."""
        self.window.close()
