import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphreel.assets import font_file, icon, icon_names, width_table
from graphreel.render.text import LONGEST, one_line, shorten, text_width


def _advances(font: bytes) -> dict[int, int]:
    """Advance widths by code point in 1/1000 em, read from the tables of a TrueType file."""
    count = struct.unpack(">H", font[4:6])[0]
    tables = {
        font[at : at + 4].decode(): struct.unpack(">II", font[at + 8 : at + 16])
        for at in range(12, 12 + 16 * count, 16)
    }
    em = struct.unpack(">H", font[tables["head"][0] + 18 :][:2])[0]
    metrics = struct.unpack(">H", font[tables["hhea"][0] + 34 :][:2])[0]
    hmtx = tables["hmtx"][0]
    widths = [struct.unpack(">H", font[hmtx + 4 * i :][:2])[0] for i in range(metrics)]
    found: dict[int, int] = {}
    for code, glyph in _characters(font, tables["cmap"][0]).items():
        found[code] = round(widths[min(glyph, metrics - 1)] * 1000 / em)
    return found


def _characters(font: bytes, cmap: int) -> dict[int, int]:
    """Code points and their glyphs, from the cmap subtable of format 4."""
    subtables = [
        struct.unpack(">I", font[cmap + 8 + 8 * i :][:4])[0]
        for i in range(struct.unpack(">H", font[cmap + 2 :][:2])[0])
    ]
    at = next(cmap + offset for offset in subtables if struct.unpack(">H", font[cmap + offset :][:2])[0] == 4)
    segments = struct.unpack(">H", font[at + 6 :][:2])[0] // 2
    ends, _, starts, deltas, ranges = (
        struct.unpack(f">{size}H", font[at + 14 + offset :][: 2 * size])
        for size, offset in (
            (segments, 0),
            (1, 2 * segments),
            (segments, 2 * segments + 2),
            (segments, 4 * segments + 2),
            (segments, 6 * segments + 2),
        )
    )
    found: dict[int, int] = {}
    for i, (start, end, delta, reach) in enumerate(zip(starts, ends, deltas, ranges, strict=True)):
        for code in range(start, min(end, 0xFFFE) + 1):
            glyph = code
            if reach:
                place = at + 16 + 6 * segments + 2 * i + reach + 2 * (code - start)
                glyph = struct.unpack(">H", font[place:][:2])[0]
            if glyph:
                found[code] = (glyph + delta) & 0xFFFF
    return {code: glyph for code, glyph in found.items() if glyph}


@pytest.mark.parametrize("weight", [400, 600])
def test_the_width_table_says_what_the_font_files_say(weight: int) -> None:
    assert _advances(font_file(weight)) == width_table()[weight]


def test_an_unknown_weight_is_named() -> None:
    with pytest.raises(KeyError, match="no weight 700; it has 400, 600"):
        font_file(700)


def test_the_font_has_what_the_interface_writes() -> None:
    missing = {c for c in "aZ09 …×∕·−→←≤≥≈äßéøřλθДя€∞✓" if ord(c) not in width_table()[400]}
    assert not missing


def test_a_text_is_as_wide_as_its_characters() -> None:
    table = width_table()
    assert text_width("Conv", 10) == pytest.approx(sum(table[400][ord(c)] for c in "Conv") / 100)
    assert text_width("Conv", 10, 600) > text_width("Conv", 10)
    assert text_width("", 10) == 0


def test_unknown_characters_count_by_what_they_are() -> None:
    assert text_width("卷", 10) == 10
    assert text_width("🔥", 10) == 10
    assert text_width("ש", 10) == 6.5
    assert text_width("e\u0323", 10) == text_width("e", 10)


@given(st.text(st.characters(), max_size=40), st.floats(0, 200), st.booleans())
def test_a_shortened_text_fits_its_room(text: str, room: float, middle: bool) -> None:
    short = shorten(text, room, 12, middle=middle)
    assert text_width(short, 12) <= room + 0.01
    assert short == text or "…" in short or short == ""


def test_a_shortened_text_keeps_its_beginning_or_both_ends() -> None:
    name = "encoder.layers.0.self_attn.weight"
    assert shorten(name, 1000, 12) == name
    assert shorten(name, 90, 12).startswith("encoder")
    assert shorten(name, 90, 12).endswith("…")
    middle = shorten(name, 90, 12, middle=True)
    assert middle.startswith("encod")
    assert middle.endswith("ight")
    assert "…" in middle


def test_nothing_is_left_where_not_even_the_dots_fit() -> None:
    assert shorten("weight", 2, 12) == ""


@given(st.text(st.characters(), max_size=60))
def test_one_line_has_nothing_that_a_box_cannot_show(text: str) -> None:
    shown = one_line(text)
    assert "\n" not in shown
    assert "\r" not in shown
    assert "\t" not in shown
    shown.encode()
    assert one_line(shown) == shown


def test_one_line_ends_a_text_of_any_length() -> None:
    assert len(one_line("x" * 100_000)) == LONGEST


def test_icons_are_named_and_follow_the_colour_of_what_is_around_them() -> None:
    assert {"open", "export", "search", "first", "previous", "next", "last", "logo", "record"} <= set(icon_names())
    assert 'viewBox="0 0 20 20"' in icon("open")
    assert "currentColor" in icon("open")
    with pytest.raises(KeyError, match="no icon 'opne'"):
        icon("opne")
