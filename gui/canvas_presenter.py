"""Between session and canvas: pictures, marks, and the place that shall stay where it is when the picture changes."""

from PySide6.QtCore import QPointF

from graphreel.analysis import Cursor
from graphreel.gui.anchoring import Anchor, anchors, kept
from graphreel.gui.canvas import Canvas
from graphreel.gui.canvas_stubs import StubLinks
from graphreel.gui.marks import box_of, overlay_of, selection_of
from graphreel.gui.presenters import Presenter
from graphreel.gui.session import Session
from graphreel.gui.views import Selection, Shown, What, carried_selection
from graphreel.layout import BoxKind
from graphreel.render import Scene
from graphreel.tracefile import Trace


class CanvasPresenter(Presenter):
    """Keeps the canvas."""

    def __init__(self, session: Session, canvas: Canvas) -> None:
        super().__init__(session, canvas)
        self.canvas = canvas
        self._anchor: tuple[str, QPointF] | None = None
        """The scope that is opening or closing, and the place in the widget that it shall stay under."""
        self._go_when_drawn = self._fit_when_drawn = False
        self._view = ""
        self._drawn: Shown | None = None
        """What the canvas shows a picture of."""
        canvas.picked.connect(self._picked)
        canvas.edge_picked.connect(self._edge_picked)
        canvas.toggled.connect(self._toggled)
        self.stub_links = StubLinks(session, canvas)
        session.picture_changed.connect(self._draw)
        session.hits_changed.connect(self._mark)
        session.grew.connect(self._say)
        session.went_to.connect(self._go)

    def trace_opened(self, trace: Trace) -> None:
        self._say()

    def trace_closed(self) -> None:
        self._anchor, self._go_when_drawn, self._drawn = None, False, None

    def iteration_shown(self, shown: Shown) -> None:
        # Another view is another picture: no place in it is the one that was looked at.
        self._fit_when_drawn |= shown.view != self._view
        self._view = shown.view
        self._go_when_drawn = shown.iteration.error is not None
        self._say()

    def selection_changed(self, selection: Selection) -> None:
        self._mark()

    def cursor_moved(self, cursor: Cursor) -> None:
        self._mark()
        if cursor.node is not None:
            self._hold(Selection.of_node(cursor.node))

    def _say(self) -> None:
        """What stands in the place of a picture."""
        trace, shown = self.session.trace, self.session.shown
        if shown is not None and shown.graph.node_count == 0:
            self.canvas.show_placeholder(f"Iteration {shown.iteration.index} ran no operation.")
        elif trace is not None and not trace.iterations:
            waiting = "The recording has begun. The first iteration shows here as soon as it is complete."
            empty = "This recording holds no iteration: it ended before the first was complete."
            self.canvas.show_placeholder(waiting if trace.running else empty)
        else:
            self.canvas.show_placeholder("Laying out the graph…")

    def _scene(self) -> Scene | None:
        """The session's picture, where there is anything on it."""
        scene = self.session.scene
        return scene if scene is not None and len(scene.view.kind) else None

    def _draw(self) -> None:
        scene, before = self._scene(), self.canvas.scene
        kept_by = list(anchors(self.canvas, *self._meant())) if scene is not None else []
        self.canvas.show_scene(scene, overlay_of(self.session))
        if scene is not None:
            if before is None or self._fit_when_drawn:
                self.canvas.fit_start()
                self._go_when_drawn |= bool(self.session.selection)
            else:
                self._keep(scene, kept_by)
            if self._go_when_drawn:
                self._hold(self.session.selection)
        self._drawn = self.session.shown
        self._anchor, self._go_when_drawn, self._fit_when_drawn = None, False, False

    def _meant(self) -> tuple[tuple[Selection, QPointF] | None, Selection]:
        """What was clicked, and where it shall stay, and what is selected; in the picture that is still shown."""
        old, shown = self._drawn, self.session.shown
        if old is None or shown is None:
            return None, Selection()
        clicked = None
        if self._anchor is not None and self._anchor[0] in old.graph.paths:
            clicked = Selection.of_scope(old.graph.paths.index(self._anchor[0])), self._anchor[1]
        return clicked, carried_selection(self.session.selection.primary, shown, old)

    def _keep(self, scene: Scene, kept_by: list[Anchor]) -> None:
        """Move the camera so that the first of these that still shows stays where it is."""
        old, shown = self._drawn, self.session.shown
        if old is None or shown is None or scene.view.graph is not shown.graph:
            return
        for anchor in kept_by:
            camera = kept(self.canvas, scene, anchor, carried_selection(anchor.selection, old, shown))
            if camera is not None:
                self.canvas.look(camera)
                return

    def _mark(self) -> None:
        self.canvas.show_overlay(overlay_of(self.session))

    def _go(self) -> None:
        """Bring the selection into view; where a group hides it, when that has opened."""
        self._hold(self.session.selection)

    def _hold(self, selection: Selection) -> None:
        scene, shown = self.canvas.scene, self.session.shown
        if scene is None or shown is None or scene.view.graph is not shown.graph:
            self._go_when_drawn = True
            return
        box = box_of(scene.view, selection)
        if box is not None:
            self.canvas.hold(box)

    def _picked(self, box: int) -> None:
        scene = self.canvas.scene
        if scene is not None:
            self.session.select(Selection() if box < 0 else selection_of(scene.view, box))

    def _edge_picked(self, edge: int) -> None:
        scene = self.canvas.scene
        value = -1 if scene is None else int(scene.view.edge_value[edge])
        if value >= 0:
            self.session.select(Selection.of_value(value))

    def _toggled(self, box: int) -> None:
        scene = self.canvas.scene
        if scene is None:
            return
        selection = selection_of(scene.view, box)
        if selection.what is What.SCOPE:
            path = scene.view.graph.paths[selection.id]
            corner = self.canvas.screen_rect(box).topLeft()
            self._anchor = path, self.canvas.mouse_place() or corner + QPointF(1, 1)
            if scene.view.kind[box] == BoxKind.FOLD:
                self.session.unfold(path)
            else:
                self.session.toggle(path)
