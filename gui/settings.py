"""What the app remembers from one start to the next."""

from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings

from graphreel.render.said import USUAL

_RECENT = 10


class Settings:
    """A thin shell over QSettings: recent files, theme, and where the window and its docks stand."""

    def __init__(self, store: QSettings | None = None) -> None:
        self._store = store or QSettings("Graphreel", "Graphreel")

    @property
    def recent(self) -> list[Path]:
        """The files opened last, newest first; those that are gone are left out."""
        stored = self._store.value("recent", [])
        texts = [stored] if isinstance(stored, str) else list(stored) if isinstance(stored, list) else []
        return [path for path in map(Path, map(str, texts)) if path.is_file()]

    def add_recent(self, path: Path) -> None:
        """Put a file first among the recent ones."""
        path = path.resolve()
        rest = [known for known in self.recent if known != path]
        self._store.setValue("recent", [str(known) for known in [path, *rest][:_RECENT]])

    @property
    def theme(self) -> str:
        """The name of the theme that was chosen; empty to go by the system."""
        return str(self._store.value("theme", ""))

    @theme.setter
    def theme(self, name: str) -> None:
        self._store.setValue("theme", name)

    @property
    def animated(self) -> bool:
        """Whether pictures move into one another; they do unless that was switched off."""
        return str(self._store.value("animated", "true")) == "true"

    @animated.setter
    def animated(self, wanted: bool) -> None:
        self._store.setValue("animated", "true" if wanted else "false")

    @property
    def lines(self) -> frozenset[str]:
        """What boxes say of their nodes."""
        stored = str(self._store.value("lines", ",".join(sorted(USUAL))))
        return frozenset(filter(None, stored.split(",")))

    @lines.setter
    def lines(self, lines: frozenset[str]) -> None:
        self._store.setValue("lines", ",".join(sorted(lines)))

    @property
    def minimap(self) -> bool:
        """Whether a small picture of the whole is shown where the canvas shows a part of it."""
        return str(self._store.value("minimap", "true")) == "true"

    @minimap.setter
    def minimap(self, wanted: bool) -> None:
        self._store.setValue("minimap", "true" if wanted else "false")

    @property
    def geometry(self) -> QByteArray:
        """The window's size and place, as Qt writes it; empty at first."""
        return self._bytes("geometry")

    @geometry.setter
    def geometry(self, state: QByteArray) -> None:
        self._store.setValue("geometry", state)

    @property
    def docks(self) -> QByteArray:
        """How docks and toolbars stand, as Qt writes it; empty at first."""
        return self._bytes("docks")

    @docks.setter
    def docks(self, state: QByteArray) -> None:
        self._store.setValue("docks", state)

    def _bytes(self, key: str) -> QByteArray:
        stored = self._store.value(key)
        return stored if isinstance(stored, QByteArray) else QByteArray()
