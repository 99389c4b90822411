"""Keeps the minimap: makes its picture off the GUI thread, and shows it only where there is more than one sees."""

from PySide6.QtCore import QEvent, QObject

from graphreel.gui.actions import action
from graphreel.gui.canvas import Canvas
from graphreel.gui.canvas.miniature import Miniature, miniature
from graphreel.gui.panels.minimap import HIGHEST, WIDEST, Minimap
from graphreel.gui.session import Session
from graphreel.gui.settings import Settings

_TAG = "minimap"


class MinimapPresenter(QObject):
    """Keeps the minimap of a canvas, which it makes."""

    def __init__(self, session: Session, canvas: Canvas, settings: Settings) -> None:
        super().__init__(canvas)
        self._session, self._canvas, self._settings = session, canvas, settings
        self.map = Minimap(canvas)
        self._theme = canvas.theme
        """That of the small picture, or of the one that is being made."""
        canvas.looked.connect(self._follow)
        canvas.installEventFilter(self)

    def follow(self) -> None:
        """Hear of pictures from now on; to be called when the canvas hears of them already."""
        self._session.picture_changed.connect(self._draw)

    @property
    def is_wanted(self) -> bool:
        """Whether the user wants a minimap."""
        return self._settings.minimap

    @action(
        "view.minimap",
        text="Minimap",
        keys="M",
        menu="View",
        checked="is_wanted",
        tip="Show the whole picture small in a corner, where the canvas shows a part of it",
    )
    def switch(self) -> None:
        """On becomes off, and off on; remembered."""
        self._settings.minimap = not self.is_wanted
        self._draw()

    def _draw(self) -> None:
        scene, self._theme = self._canvas.scene, self._canvas.theme
        if scene is None or not self.is_wanted:
            self._session.jobs.cancel(_TAG)
            self.map.show_miniature(None)
            return
        ratio = self.map.devicePixelRatioF()
        most = min(WIDEST, self._canvas.width() // 3), min(HIGHEST, self._canvas.height() // 3)
        size = round(max(most[0], 1) * ratio), round(max(most[1], 1) * ratio)
        jobs = self._session.jobs
        jobs.run(_TAG, miniature, scene, self._theme, *size, then=self._show, title="Drawing the minimap")

    def _show(self, made: Miniature) -> None:
        if made.scene is self._canvas.scene:
            self.map.show_miniature(made)
            self._follow()

    def _follow(self) -> None:
        """Show the minimap where the canvas does not show everything."""
        canvas, made = self._canvas, self.map.miniature
        if made is None:
            return
        x, y, width, height = canvas.camera.area(canvas.width(), canvas.height())
        across, down = made.scene.placement.size
        everything = x <= 0 and y <= 0 and x + width >= across and y + height >= down
        self.map.setVisible(not everything)
        self.map.update()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self.map.place()
            self._follow()
        elif event.type() == QEvent.Type.Paint and self._theme is not self._canvas.theme:
            self._draw()
        return False
