"""What the canvas is to show: some boxes, or, when another picture comes, what one looked at, where it was."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF

from graphreel.gui.canvas.camera import Camera, fitting
from graphreel.gui.canvas.picking import box_at
from graphreel.gui.canvas.widget import Canvas
from graphreel.gui.marks import box_of, selection_of
from graphreel.gui.views import Selection
from graphreel.render import Scene
from graphreel.render.spatial import corners


@dataclass(frozen=True, slots=True)
class Anchor:
    """Something in a picture, where its upper left corner stands in the widget, and the place it shall stay under."""

    selection: Selection
    corner: QPointF
    place: QPointF


def fit_boxes(canvas: Canvas, boxes: Collection[int]) -> None:
    """Fill the canvas with some boxes; with one, or none, see `Canvas.fit_box`."""
    if len(boxes) == 1:
        canvas.fit_box(next(iter(boxes)))
    elif boxes and canvas.scene is not None:
        around = corners(canvas.scene.placement.rects[list(boxes)])
        (left, top), (right, bottom) = around[:, :2].min(axis=0).tolist(), around[:, 2:].max(axis=0).tolist()
        whole = left, top, right - left, bottom - top
        canvas.look(fitting(whole, canvas.width(), canvas.height(), most=1.6, margin=80.0))


def anchors(canvas: Canvas, clicked: tuple[Selection, QPointF] | None, selected: Selection) -> Iterator[Anchor]:
    """What could stay, the best first: what was clicked, what is selected if it is in view, what is in the middle.

    All of the picture that the canvas still shows.
    """
    scene = canvas.scene
    if scene is None:
        return
    if clicked is not None:
        box = box_of(scene.view, clicked[0])
        if box is not None:
            yield Anchor(clicked[0], canvas.screen_rect(box).topLeft(), clicked[1])
    if (box := box_of(scene.view, selected)) is not None and (anchor := _visible(canvas, selected, box)) is not None:
        yield anchor
    middle = QPointF(canvas.width() / 2, canvas.height() / 2)
    found = box_at(scene, *canvas.camera.to_scene(middle.x(), middle.y()))
    # Where the thing in the middle is gone, what stood around it may still be there.
    while found is not None and found >= 0:
        yield Anchor(selection_of(scene.view, found), canvas.screen_rect(found).topLeft(), middle)
        found = int(scene.view.parent[found])


def _visible(canvas: Canvas, selection: Selection, box: int) -> Anchor | None:
    """A box as an anchor, if any of it is in view: it stays at its corner, or, where one does not see that, in view."""
    rect = canvas.screen_rect(box)
    seen = rect.intersected(QRectF(canvas.rect()))
    if seen.isEmpty():
        return None
    corner = rect.topLeft()
    return Anchor(selection, corner, corner if seen.contains(corner) else seen.center())


def kept(canvas: Canvas, scene: Scene, anchor: Anchor, selection: Selection) -> Camera | None:
    """The camera that keeps an anchor in another picture, where it is `selection`; None where it does not show."""
    box = box_of(scene.view, selection)
    if box is None:
        return None
    x, y, width, height = scene.placement.rects[box].tolist()
    zoom = canvas.camera.zoom
    # A group that closes is much smaller than before; its box is moved under the place.
    across = min(max(anchor.place.x() - anchor.corner.x(), 0.0), width * zoom * 0.9)
    down = min(max(anchor.place.y() - anchor.corner.y(), 0.0), height * zoom * 0.9)
    return canvas.camera.with_at((x, y), (anchor.place.x() - across, anchor.place.y() - down))
