"""Writes a Scene as PNG or PDF with the canvas' own painting; no window opens and no display is needed."""

import sys
from pathlib import Path

from PySide6.QtCore import QMarginsF, QRectF, QSaveFile, QSizeF
from PySide6.QtGui import QColor, QGuiApplication, QImage, QPageLayout, QPageSize, QPainter, QPdfWriter

from graphreel.gui import system
from graphreel.gui.canvas.legend_painting import paint_legend
from graphreel.gui.canvas.marking import Marks
from graphreel.gui.canvas.painting import Painting
from graphreel.gui.errors import CannotSave, PictureTooLarge
from graphreel.gui.style import load_fonts
from graphreel.render import Overlay, Scene, Theme, to_svg
from graphreel.render.legend import placed
from graphreel.render.svg_legend import GAP

MARGIN = 16.0
"""Room around the picture, in pixels at 100 %; the SVG has the same."""
MOST_PIXELS = 16384
"""The longest side of a PNG; many programs open nothing larger."""
MOST_POINTS = 14400.0
"""The longest side of a PDF's page (200 inches); viewers take nothing larger, so what is larger is scaled down."""


def save(scene: Scene, path: Path, theme: Theme, overlay: Overlay, scale: float) -> None:
    """Write a picture; see `graphreel.gui.export.save_picture`."""
    kind = path.suffix.lower()
    if kind == ".svg":
        _write(path, to_svg(scene, theme, overlay).encode())
    elif kind in (".png", ".pdf"):
        system.check_counting()
        application = _application()
        load_fonts()
        (_save_png if kind == ".png" else _save_pdf)(scene, path, theme, overlay, scale)
        del application
    else:
        raise CannotSave.of_kind(path)


def _application() -> QGuiApplication | None:
    """An application to draw with, where there is none yet; it needs no display."""
    if QGuiApplication.instance() is not None:
        return None
    return QGuiApplication([sys.argv[0], "-platform", "offscreen"])


def picture_size(scene: Scene) -> tuple[float, float]:
    """Width and height with the margin, in units of the scene."""
    width, height = scene.placement.size
    if scene.legend is not None:
        legend = placed(scene.legend)
        width, height = max(width, legend.width), height + GAP + legend.height
    return width + 2 * MARGIN, height + 2 * MARGIN


def _save_png(scene: Scene, path: Path, theme: Theme, overlay: Overlay, scale: float) -> None:
    width, height = (max(1, round(side * scale)) for side in picture_size(scene))
    if max(width, height) > MOST_PIXELS:
        raise PictureTooLarge.of(path, width, height, MOST_PIXELS, scale)
    image = QImage(width, height, QImage.Format.Format_RGB32)
    if image.isNull():
        raise PictureTooLarge.of(path, width, height, MOST_PIXELS, scale)
    # What a viewer takes as the picture's size on paper: 96 pixels to the inch at 100 %.
    per_metre = round(96 * scale / 0.0254)
    image.setDotsPerMeterX(per_metre)
    image.setDotsPerMeterY(per_metre)
    file = _open(path)
    with QPainter(image) as painter:
        painter.scale(scale, scale)
        _paint(painter, scene, theme, overlay, scale)
    if not image.save(file, "PNG") or not file.commit():  # type: ignore[call-overload] # the stubs lack QIODevice here
        raise CannotSave.to(path, file.errorString())


def _save_pdf(scene: Scene, path: Path, theme: Theme, overlay: Overlay, scale: float) -> None:
    width, height = picture_size(scene)
    # A pixel at 100 % is 1/96 inch, a point 1/72.
    points = min(0.75, MOST_POINTS / max(width, height))
    file = _open(path)
    writer = QPdfWriter(file)
    writer.setCreator("Graphreel")
    writer.setTitle(path.stem)
    writer.setResolution(1200)
    page = QPageSize(
        QSizeF(width * points, height * points), QPageSize.Unit.Point, "", QPageSize.SizeMatchPolicy.ExactMatch
    )
    writer.setPageLayout(QPageLayout(page, QPageLayout.Orientation.Portrait, QMarginsF()))
    with QPainter(writer) as painter:
        to_device = points * writer.resolution() / 72
        painter.scale(to_device, to_device)
        _paint(painter, scene, theme, overlay, 1.0)
    if not file.commit():
        raise CannotSave.to(path, file.errorString())


def _paint(painter: QPainter, scene: Scene, theme: Theme, overlay: Overlay, zoom: float) -> None:
    """The whole picture, from the page's upper left corner; in full detail however small it is."""
    area = QRectF(-MARGIN, -MARGIN, *picture_size(scene))
    painter.translate(MARGIN, MARGIN)
    painter.fillRect(area, QColor(theme.page))
    detail = max(zoom, 1.0)
    Painting(scene).paint(painter, theme, overlay, area, detail)
    Marks(scene, overlay).paint(painter, theme, (area.left(), area.top(), area.right(), area.bottom()), detail)
    if scene.legend is not None:
        painter.translate(0.0, scene.placement.size[1] + GAP)
        paint_legend(painter, theme, placed(scene.legend))


def _open(path: Path) -> QSaveFile:
    """A file that takes its place only when it is whole."""
    file = QSaveFile(str(path))
    if not file.open(QSaveFile.OpenModeFlag.WriteOnly):
        raise CannotSave.to(path, file.errorString())
    return file


def _write(path: Path, data: bytes) -> None:
    file = _open(path)
    if file.write(data) != len(data) or not file.commit():
        raise CannotSave.to(path, file.errorString())
