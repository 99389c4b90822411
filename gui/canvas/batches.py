"""Draws many rectangles, lines and curves with few calls, straight from columns of numbers.

Qt's binding takes lists of QRectF and QLineF. Making those objects anew costs more than drawing them, so they are made
once, over memory that NumPy writes to. Curves go to Qt as one path, in the bytes that a QDataStream reads.
"""

import struct
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import shiboken6
from PySide6.QtCore import QByteArray, QDataStream, QLineF, QRectF
from PySide6.QtGui import QPainter, QPainterPath

from graphreel.layout.types import FloatColumn

Item = TypeVar("Item", QRectF, QLineF)

CHUNK = 1024
"""Rectangles or lines of one call: about a millisecond, so that whoever waits for the GUI thread does not wait long."""
PATH_CHUNK = 16
"""Shapes of one path: what Qt needs to fill a path grows faster than its length."""

_MOVE, _LINE, _CURVE, _CURVE_MORE = 0, 1, 2, 3
_ELEMENT: npt.DTypeLike = np.dtype([("type", ">i4"), ("x", ">f8"), ("y", ">f8")])


class _Pool(Generic[Item]):
    """Qt objects of four doubles each, over one block of memory."""

    def __init__(self, kind: type[Item]) -> None:
        self.memory: FloatColumn = np.zeros((CHUNK, 4))
        address = self.memory.ctypes.data
        # The objects own nothing: what they show is the memory, which lives as long as they do.
        wrap: Callable[[int, type[Item]], Any] = shiboken6.wrapInstance
        self.items: list[Item] = [wrap(address + 32 * row, kind) for row in range(CHUNK)]

    def filled(self, rows: FloatColumn) -> list[Item]:
        """These rows as Qt's objects, until the next call."""
        self.memory[: len(rows)] = rows
        return self.items if len(rows) == CHUNK else self.items[: len(rows)]


class Batches:
    """Draws columns. One for each painter that is at work, for each call uses the memory of the one before."""

    def __init__(self) -> None:
        self._rects = _Pool(QRectF)
        self._lines = _Pool(QLineF)

    def rects(self, painter: QPainter, rects: FloatColumn) -> Generator[None]:
        """Rectangles as x, y, width, height; stops after each call to Qt."""
        for start in range(0, len(rects), CHUNK):
            painter.drawRects(self._rects.filled(rects[start : start + CHUNK]))
            yield

    def lines(self, painter: QPainter, lines: FloatColumn) -> Generator[None]:
        """Lines as x and y of both ends; stops after each call to Qt."""
        for start in range(0, len(lines), CHUNK):
            painter.drawLines(self._lines.filled(lines[start : start + CHUNK]))
            yield


def curves(points: FloatColumn, starts: npt.NDArray[Any]) -> QPainterPath:
    """Splines as one path: spline i is `points[starts[i]:starts[i + 1]]`, a start and then three points a segment."""
    types = np.full(len(points), _CURVE_MORE, dtype=np.int32)
    within = np.arange(len(points)) - np.repeat(starts[:-1], np.diff(starts))
    types[within % 3 == 1] = _CURVE
    types[within == 0] = _MOVE
    return _path(types, points)


def polygons(corners: FloatColumn) -> QPainterPath:
    """Closed polygons of equally many corners, shape (polygons, corners, 2), as one path."""
    count, sides = corners.shape[:2]
    points = np.concatenate([corners, corners[:, :1]], axis=1).reshape(-1, 2)
    types = np.full((count, sides + 1), _LINE, dtype=np.int32)
    types[:, 0] = _MOVE
    return _path(types.reshape(-1), points)


def rounded(rects: FloatColumn, radii: FloatColumn) -> QPainterPath:
    """Rectangles with rounded corners, x, y, width and height, as one path; corners are cubic splines."""
    x, y, width, height = rects.T
    # What a circle's quarter needs its control points at.
    r, k = radii, radii * (1 - 0.5522847498)
    right, bottom = x + width, y + height
    corners = [
        (x + r, y), (right - r, y), (right - k, y), (right, y + k), (right, y + r),
        (right, bottom - r), (right, bottom - k), (right - k, bottom), (right - r, bottom),
        (x + r, bottom), (x + k, bottom), (x, bottom - k), (x, bottom - r),
        (x, y + r), (x, y + k), (x + k, y), (x + r, y),
    ]  # fmt: skip
    points = np.array(corners).transpose(2, 0, 1).reshape(-1, 2)
    quarter = [_LINE, _CURVE, _CURVE_MORE, _CURVE_MORE]
    return _path(np.tile([_MOVE, *quarter * 4], len(rects)), points)


def _path(types: npt.NDArray[Any], points: FloatColumn) -> QPainterPath:
    """A path of these elements, as QPainterPath writes and reads itself."""
    elements = np.zeros(len(types), dtype=_ELEMENT)
    elements["type"], elements["x"], elements["y"] = types, points[:, 0], points[:, 1]
    # Count, elements, the element where the last subpath begins, and the rule to fill by: winding.
    data = struct.pack(">i", len(types)) + elements.tobytes() + struct.pack(">ii", 0, 1)
    stream = QDataStream(QByteArray(data))
    stream.setVersion(QDataStream.Version.Qt_6_0)
    path = QPainterPath()
    stream >> path
    return path
