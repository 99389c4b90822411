import pytest

from graphreel.render import BOX_CLASSES, DARK, EDGE_CLASSES, LIGHT, THEMES, BoxPaint, Mark, Theme
from graphreel.render.colours import COLOUR_CLASSES
from graphreel.render.theme import MOST_TONES, blend, contrast, halo_colour

TEXT, LINE = 4.5, 3.0
"""The least contrast that WCAG 2.2 asks of text (AA) and of lines that tell something."""


@pytest.fixture(params=[LIGHT, DARK], ids=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> Theme:
    found = request.param
    assert isinstance(found, Theme)
    return found


def _ground(paint: BoxPaint, theme: Theme) -> str:
    """What text in a box stands on; for groups, five of them within each other."""
    return paint.fill if paint.opacity == 1 else halo_colour(paint, theme.page, 5)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_every_text_in_a_box_can_be_read(theme: Theme) -> None:
    poor = [
        name
        for name, paint in zip(BOX_CLASSES, theme.boxes, strict=True)
        for colour in (paint.text, *([] if name in COLOUR_CLASSES else [theme.muted]))
        if contrast(colour, _ground(paint, theme)) < TEXT
    ]
    assert not poor


def test_every_text_of_the_window_can_be_read(theme: Theme) -> None:
    grounds = (theme.page, theme.window, theme.panel, theme.raised)
    inks = (theme.text, theme.muted, theme.accent, theme.error, theme.warning, theme.ok, theme.found, theme.cursor)
    assert min(contrast(ink, ground) for ink in inks for ground in grounds) >= TEXT
    assert contrast(theme.text, theme.selection) >= TEXT
    assert contrast(theme.muted, theme.selection) >= TEXT
    assert contrast(theme.on_accent, theme.accent) >= TEXT
    assert min(contrast(theme.on_mark, theme.mark_colour(mark)) for mark in Mark) >= TEXT


def test_every_line_can_be_seen(theme: Theme) -> None:
    outlines = [
        contrast(paint.stroke, theme.page)
        for name, paint in zip(BOX_CLASSES, theme.boxes, strict=True)
        if not name.startswith("group")
    ]
    assert min(outlines) >= LINE
    grounds = [theme.page, *(halo_colour(p, theme.page, 1) for p in theme.boxes if p.opacity < 1)]
    for name, edge in zip(EDGE_CLASSES, theme.edges, strict=True):
        assert min(contrast(edge.stroke, ground) for ground in grounds) >= LINE * 0.9, name
    assert min(contrast(theme.mark_colour(mark), theme.page) for mark in Mark) >= LINE
    assert min(contrast(theme.control, ground) for ground in (theme.window, theme.panel, theme.raised)) >= LINE * 0.9


def test_no_two_classes_of_nodes_look_alike(theme: Theme) -> None:
    fills = [paint.fill for paint in theme.boxes[:11]]
    assert len(set(fills)) == len(fills)


def test_tones_deepen_and_end(theme: Theme) -> None:
    group = theme.boxes[BOX_CLASSES.index("group-forward")]
    tones = [halo_colour(group, theme.page, depth) for depth in range(1, MOST_TONES + 2)]
    assert len(set(tones)) == MOST_TONES
    assert tones[-1] == tones[-2]


def test_blend_meets_in_the_middle() -> None:
    assert blend("#ffffff", "#000000", 0.5) == "#808080"
    assert blend("#123456", "#ffffff", 1.0) == "#123456"


def test_themes_are_found_by_name() -> None:
    assert {"light": LIGHT, "dark": DARK} == THEMES
