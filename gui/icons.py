"""The app's icons: paths on a grid of 24, drawn in whatever colour the theme has."""

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QGuiApplication, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

# Strokes, in the way of feather icons; a path that ends in `#` is filled instead.
PATHS = {
    "open": "M3 6.5V18a1.5 1.5 0 0 0 1.5 1.5h15A1.5 1.5 0 0 0 21 18V9a1.5 1.5 0 0 0-1.5-1.5H12L10 5H4.5z",
    "export": "M12 15V4M7.5 8 12 3.5 16.5 8M4 15v3.5A1.5 1.5 0 0 0 5.5 20h13a1.5 1.5 0 0 0 1.5-1.5V15",
    "first": "M6 5v14M19 6 9.5 12 19 18z#",
    "previous": "M17 5.5 7.5 12 17 18.5z#",
    "next": "M7 5.5 16.5 12 7 18.5z#",
    "last": "M18 5v14M5 6l9.5 6L5 18z#",
    "fit": "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
    "search": "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5 20 20",
    "expand": "M12 5v14M5 12h14",
    "collapse": "M5 12h14",
    "theme": "M20 13.5A8 8 0 1 1 10.5 4a6.5 6.5 0 0 0 9.5 9.5z",
    "target": "M12 18.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM12 2.5v5M12 16.5v5M2.5 12h5M16.5 12h5",
    "command": "M5 7l5 5-5 5M12 18h7",
    "close": "M6 6l12 12M18 6 6 18",
    "up": "M6 15l6-6 6 6",
    "down": "M6 9l6 6 6-6",
    "right": "M9 6l6 6-6 6",
    "file": "M13.5 3H7a1.5 1.5 0 0 0-1.5 1.5v15A1.5 1.5 0 0 0 7 21h10a1.5 1.5 0 0 0 1.5-1.5V8zM13.5 3v5h5",
    "play": "M7 5.5 18 12 7 18.5z",
    "colour": "M12 3c3.6 4 6 7.3 6 10.5a6 6 0 0 1-12 0C6 10.3 8.4 7 12 3zM9 14a3 3 0 0 0 3 2.8",
    "warning": "M12 4 2.8 19.5h18.4zM12 10v4.5M12 17v.4",
    "info": "M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17zM12 11v5.5M12 7.5v.4",
}

APP_ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">
<defs><linearGradient id="g" x1="0" y1="0" x2="1" y2="1"><stop offset="0" stop-color="#5b7cfa"/>
<stop offset="1" stop-color="#8f4ff0"/></linearGradient></defs>
<rect x="3" y="3" width="58" height="58" rx="14" fill="url(#g)"/>
<g fill="none" stroke="#fff" stroke-width="4" stroke-linecap="round"><path d="M20 20C20 34 44 30 44 44"/>
<path d="M44 20v24"/></g><g fill="#fff"><circle cx="20" cy="18" r="7"/><circle cx="44" cy="18" r="7"/>
<circle cx="44" cy="46" r="7"/></g><path d="M15 39.500l11 6.500-11 6.500z" fill="#fff"/></svg>"""


def icon(name: str, color: str, disabled: str = "") -> QIcon:
    """One of `PATHS` in a colour, crisp at scales 1 and 2; `disabled` is its colour while it cannot be used."""
    made = QIcon()
    for size in (20, 40):
        made.addPixmap(_pixmap(_svg(name, color), size))
        if disabled:
            made.addPixmap(_pixmap(_svg(name, disabled), size), QIcon.Mode.Disabled)
    return made


def pixmap(name: str, color: str, size: int) -> QPixmap:
    """One of `PATHS` as a picture of `size` logical pixels."""
    ratio = QGuiApplication.primaryScreen().devicePixelRatio()
    drawn = _pixmap(_svg(name, color), round(size * ratio))
    drawn.setDevicePixelRatio(ratio)
    return drawn


def app_icon() -> QIcon:
    """The app's own icon."""
    made = QIcon()
    for size in (16, 24, 32, 48, 64, 128, 256):
        made.addPixmap(_pixmap(APP_ICON, size))
    return made


def app_pixmap(size: int) -> QPixmap:
    """The app's own icon as a picture of `size` logical pixels."""
    ratio = QGuiApplication.primaryScreen().devicePixelRatio()
    drawn = _pixmap(APP_ICON, round(size * ratio))
    drawn.setDevicePixelRatio(ratio)
    return drawn


def _svg(name: str, color: str) -> str:
    path = PATHS[name]
    fill = color if path.endswith("#") else "none"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path d="{path.rstrip("#")}" fill="{fill}" '
        f'stroke="{color}" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round"/></svg>'
    )


def _pixmap(svg: str, pixels: int) -> QPixmap:
    drawn = QPixmap(pixels, pixels)
    drawn.fill(Qt.GlobalColor.transparent)
    painter = QPainter(drawn)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    QSvgRenderer(QByteArray(svg.encode())).render(painter, QRectF(0, 0, pixels, pixels))
    painter.end()
    return drawn
