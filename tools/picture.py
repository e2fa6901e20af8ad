"""`python -m tools.picture out/report.html docs/picture.svg [GROUP]`: the README's picture, lifted from a real report.

What belongs here: cutting equity and postures of one group (counted from 0; default 1, the NASDAQ) out of a report that
`dolphin run` wrote, and putting them one above the other in one SVG. Nothing is drawn here, so that the picture cannot
show what no run gave.
"""

from __future__ import annotations

import re
import sys
from html import unescape
from pathlib import Path
from xml.sax.saxutils import escape

TITLE_PX = 34
PART = (
    '<svg class="wide" viewBox="0 0 (\\d+) (\\d+)" role="img" '
    'aria-labelledby="{prefix}-{name}-wide-t [^"]*">(.*?)</svg>'
)


def main(argv: list[str]) -> int:
    """Write the picture."""
    if len(argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    page = Path(argv[0]).read_text(encoding="utf-8")
    Path(argv[1]).write_text(picture(page, int(argv[2]) if len(argv) == 3 else 1), encoding="utf-8")
    print(argv[1])
    return 0


def picture(page: str, group: int) -> str:
    """The SVG. ValueError where the report has no such group."""
    titles = [unescape(title) for title in re.findall(r"<h2>(.*?)</h2>", page)]
    if group >= len(titles):
        raise ValueError(f"group {group}: the report has {len(titles)}")
    at = TITLE_PX
    parts = []
    width = 0
    for name in ("equity", "postures"):
        found = re.search(PART.format(prefix=f"g{group}", name=name), page, re.DOTALL)
        if found is None:
            raise ValueError(f"group {group} has no figure {name!r}")
        width, height = int(found[1]), int(found[2])
        body = re.sub(r"<(title|desc)[^>]*>.*?</\1>", "", found[3], flags=re.DOTALL)
        parts.append(f'<g transform="translate(0 {at})">{body}</g>')
        at += height + 10
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    patterns = re.search(r"<defs>.*?</defs>", page, re.DOTALL)
    assert style is not None
    assert patterns is not None
    title = escape(f"{titles[group]}: a trend strategy at 6x, plain and guarded. Equity (log) and postures.")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {at}" role="img" aria-labelledby="t">'
        f'<title id="t">{title}</title><style>{css(style[1])}</style>{patterns[0]}'
        f'<rect width="{width}" height="{at}" style="fill:var(--paper)"/>'
        f'<text x="8" y="21" style="font-size:15px;font-weight:600">{title}</text>{"".join(parts)}</svg>\n'
    )


def css(sheet: str) -> str:
    """The rules that a drawing needs: variables, light and dark, and what is said of lines, letters and bands."""
    head = sheet[: sheet.index("* { box-sizing")]
    body = sheet[len(head) : sheet.index("@media (max-width")]
    kept = re.findall(r"(?<=\})\s*((?:svg |\.|\[class)[^{}@]*\{[^{}]*\})", body)
    html = re.compile(r"^\.(absent|lead|legend|scroll|soft|narrow|defs)|svg\.(wide|narrow)")
    return head + "\n".join(rule for rule in kept if not html.match(rule))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
