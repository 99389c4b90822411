"""Make the width table of the bundled font, and the font files themselves.

    python tools/make_font_metrics.py                  widths of the files in assets/ -> assets/font_widths.json
    python tools/make_font_metrics.py --from FOLDER    first cut those files out of Inter's own (Inter-Regular.otf, …)

Needs fonttools. Kerning and ligatures are left out on purpose: the width of a text is then the sum of its
characters' widths, so that a program without a font engine knows it exactly.
"""

import argparse
import json
from itertools import groupby
from pathlib import Path

from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont, newTable

ASSETS = Path(__file__).resolve().parent.parent / "assets"
WEIGHTS = {400: "Inter-Regular", 600: "Inter-SemiBold"}
RANGES = [
    (0x20, 0x7E),  # ASCII
    (0xA0, 0x17F),  # Latin-1 and Latin Extended-A
    (0x300, 0x304),  # the commonest combining accents
    (0x370, 0x3FF),  # Greek
    (0x400, 0x45F),  # Cyrillic
    (0x490, 0x491),
    (0x2010, 0x205E),  # punctuation
    (0x2070, 0x2094),  # superscripts and subscripts
    (0x20AC, 0x20AC),  # €
    (0x2190, 0x21E7),  # arrows
    (0x2200, 0x22FF),  # mathematics
    (0x2303, 0x2325),  # keys
    (0x25A0, 0x25CF),  # shapes
    (0x2713, 0x2717),  # ticks and crosses
    (0xFFFD, 0xFFFD),  # what stands for a character that cannot be shown
]
ALIASES = {0x2215: 0x2F}
"""Characters that Inter lacks, and those that stand for them: scopes have `∕` in their names where `/` was."""
FAMILY = "Graphreel Inter"
CURVE_ERROR = 1.0
"""How far a quadratic curve may stray from the cubic one it replaces, in font units (Inter has 2048 or more an em)."""


def cut(source: Path, target: Path) -> None:
    """Keep the characters of RANGES, drop every layout feature, and turn cubic outlines into quadratic ones."""
    font = TTFont(source, recalcTimestamp=False)
    options = Options()
    options.layout_features = []
    options.drop_tables += ["GSUB", "GPOS", "GDEF", "DSIG", "STAT"]
    options.hinting = False
    options.name_IDs = ["*"]
    options.notdef_outline = True
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=[code for first, last in RANGES for code in range(first, last + 1)])
    subsetter.subset(font)
    for table in font["cmap"].tables:
        table.cmap |= {code: table.cmap[other] for code, other in ALIASES.items() if other in table.cmap}
    _to_quadratic(font)
    _rename(font)
    font.save(target)


def _rename(font: TTFont) -> None:
    """Give the family a name of its own: on a machine with Inter, the two must not be mixed up."""
    for record in font["name"].names:
        if record.nameID in (1, 4, 16):
            record.string = record.toUnicode().replace("Inter", FAMILY)
        elif record.nameID in (3, 6):
            record.string = record.toUnicode().replace("Inter", FAMILY.replace(" ", ""))


def _to_quadratic(font: TTFont) -> None:
    glyph_set = font.getGlyphSet()
    order = font.getGlyphOrder()
    outlines = {}
    for name in order:
        pen = TTGlyphPen(glyph_set)
        # TrueType fills contours that run the other way round than CFF's.
        glyph_set[name].draw(Cu2QuPen(pen, CURVE_ERROR, reverse_direction=True))
        outlines[name] = pen.glyph()
    del font["CFF "]
    font["loca"] = newTable("loca")
    glyf = font["glyf"] = newTable("glyf")
    glyf.glyphOrder, glyf.glyphs = order, outlines
    for name, glyph in outlines.items():
        glyph.recalcBounds(glyf)
        advance, _ = font["hmtx"][name]
        font["hmtx"][name] = (advance, getattr(glyph, "xMin", 0))
    _true_type_header(font)


def _true_type_header(font: TTFont) -> None:
    profile = font["maxp"]
    profile.tableVersion = 0x00010000
    for field, size in {"maxZones": 1, "maxSizeOfInstructions": 0}.items():
        setattr(profile, field, size)
    for field in (
        "maxTwilightPoints", "maxStorage", "maxFunctionDefs", "maxInstructionDefs", "maxStackElements",
        "maxComponentElements",
    ):  # fmt: skip
        setattr(profile, field, 0)
    font["post"].formatType = 3.0
    font["head"].glyphDataFormat = 0
    font.sfntVersion = "\000\001\000\000"


def widths(path: Path) -> list[list[object]]:
    """Advance widths in 1/1000 em, as runs `[first code point, [width, width, …]]`."""
    font = TTFont(path)
    em = font["head"].unitsPerEm
    found = {code: round(font["hmtx"][name][0] * 1000 / em) for code, name in sorted(font.getBestCmap().items())}
    runs = groupby(enumerate(found), key=lambda pair: pair[1] - pair[0])
    codes = [[code for _, code in run] for _, run in runs]
    return [[run[0], [found[code] for code in run]] for run in codes]


def main() -> None:
    """Write the files in assets/."""
    parser = argparse.ArgumentParser(description="Make assets/font_widths.json")
    parser.add_argument("--from", dest="folder", type=Path, help="folder with Inter-Regular.otf and Inter-SemiBold.otf")
    folder = parser.parse_args().folder
    table = {}
    for weight, name in WEIGHTS.items():
        target = ASSETS / f"{name}.ttf"
        if folder is not None:
            cut(folder / f"{name}.otf", target)
        table[str(weight)] = widths(target)
    text = json.dumps(table, separators=(",", ":")).replace("],[", "],\n[")
    (ASSETS / "font_widths.json").write_text(text + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
