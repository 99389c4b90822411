"""Keeps the breadcrumbs: of the selection, or of what is in the middle of the view when nothing is selected."""

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QTimer

from graphreel.graph import ROOT, Graph
from graphreel.gui.actions import action
from graphreel.gui.canvas import Canvas
from graphreel.gui.canvas.picking import box_at
from graphreel.gui.marks import box_of, selection_of
from graphreel.gui.panels.crumbs import MOST_OFFERED, Crumb, CrumbBar
from graphreel.gui.presenters import Presenter
from graphreel.gui.session import Session
from graphreel.gui.views import Selection, What, paths_around
from graphreel.render.classify import short_op
from graphreel.tracefile import Trace

_PAUSE_MS = 120
"""How long the picture rests before the breadcrumbs follow it."""


class CrumbPresenter(Presenter):
    """Keeps a breadcrumb bar, which it makes."""

    def __init__(self, session: Session, canvas: Canvas) -> None:
        super().__init__(session, canvas)
        self.canvas = canvas
        self.bar = CrumbBar(self._offer)
        self.bar.hide()
        self.bar.picked.connect(self._go)
        self.bar.chosen.connect(self._reveal)
        self._zoom_when_drawn = False
        self._pause = QTimer(self, interval=_PAUSE_MS, singleShot=True)
        self._pause.timeout.connect(self._follow)
        canvas.looked.connect(self._pause.start)

    def follow(self) -> None:
        """Hear of pictures from now on; to be called when the canvas hears of them already."""
        self.session.picture_changed.connect(self._drawn)

    @property
    def has_crumbs(self) -> bool:
        """Whether there are any breadcrumbs."""
        return self.bar.isVisible()

    @action("go.crumbs", text="To the breadcrumbs", keys="Ctrl+L", menu="Go", when="has_crumbs", section=True)
    def enter(self) -> None:
        """Let the keyboard speak to the breadcrumbs: Tab leads through them, the space bar chooses."""
        self.bar.enter()

    def trace_opened(self, trace: Trace) -> None:
        self._zoom_when_drawn = False
        self.bar.show()

    def trace_closed(self) -> None:
        self._zoom_when_drawn = False
        self._pause.stop()
        self.bar.show_crumbs(())
        self.bar.hide()

    def selection_changed(self, selection: Selection) -> None:
        self._follow()

    def _drawn(self) -> None:
        if self._zoom_when_drawn:
            self._zoom()
        self._follow()

    def _follow(self) -> None:
        graph = self.session.graph
        if graph is not None:
            self.bar.show_crumbs(crumbs_of(graph, self.session.selection or self._in_the_middle(graph)))

    def _in_the_middle(self, graph: Graph) -> Selection:
        """The scope in the middle of the view."""
        scene = self.canvas.scene
        if scene is None or scene.view.graph is not graph:
            return Selection()
        box = box_at(scene, *self.canvas.camera.to_scene(self.canvas.width() / 2, self.canvas.height() / 2))
        found = Selection() if box is None else selection_of(scene.view, box)
        return Selection.of_scope(graph.nodes.scope[found.id]) if found.what is What.NODE else found

    def _offer(self, scope: int) -> tuple[Sequence[tuple[str, Selection]], int]:
        graph = self.session.graph
        if graph is None:
            return [], 0
        inside = np.flatnonzero(graph.scopes.parent == scope)
        inside = inside[inside != ROOT]
        names = [(_name(graph, each), Selection.of_scope(each)) for each in inside[:MOST_OFFERED].tolist()]
        return names, len(inside)

    def _reveal(self, selection: Selection) -> None:
        """Go to a scope, and open what hides it."""
        graph = self.session.graph
        parent = None if graph is None else graph.scope(selection.id).parent
        if parent is not None:
            self.session.expand(path for path in paths_around(parent) if path)
        self._go(selection)

    def _go(self, selection: Selection) -> None:
        """Select what a part stands for and fill the canvas with it, once it is drawn."""
        if selection.what is What.SCOPE and selection.id == ROOT:
            self.session.select(Selection())
            self.canvas.fit()
        else:
            self.session.select(selection)
            if any(job.tag == "layout" for job in self.session.jobs.running):
                self._zoom_when_drawn = True
            else:
                self._zoom()
        self.canvas.setFocus()

    def _zoom(self) -> None:
        self._zoom_when_drawn = False
        scene = self.canvas.scene
        box = None if scene is None else box_of(scene.view, self.session.selection)
        if box is not None:
            self.canvas.fit_box(box)


def crumbs_of(graph: Graph, selection: Selection) -> list[Crumb]:
    """The parts that lead to what is selected, from the whole graph on."""
    last: Crumb | None = None
    scope = int(ROOT)
    if selection.what is What.SCOPE:
        scope = selection.id
    elif selection.what is What.NODE:
        node = graph.node(selection.id)
        scope = node.scope.id
        last = Crumb(short_op(node.op), node.name or node.op, selection.primary)
    elif selection.what is What.VALUE:
        value = graph.value(selection.id)
        scope = ROOT if value.producer is None else value.producer.scope.id
        last = Crumb(value.name or value.type_text, value.type_text, selection.primary)
    parts = [Crumb("Graph", "The whole graph", Selection.of_scope(ROOT), ROOT)]
    for each in reversed(graph.scope(scope).lineage):
        if each != ROOT:
            inner = each if np.any(graph.scopes.parent == each) else None
            parts.append(Crumb(_name(graph, each), graph.paths[each], Selection.of_scope(each), inner))
    return parts if last is None else [*parts, last]


def _name(graph: Graph, scope: int) -> str:
    its = graph.scope(scope)
    return its.name or its.type or str(scope)
