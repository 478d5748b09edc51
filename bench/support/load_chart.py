#!/usr/bin/env python3
"""Draws docs/images/load.svg from the table between the marks <!-- load --> of bench/RESULTS.md.

usage: bench/support/load_chart.py
"""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
COLOURS = {"kedge": "#0b6e75", "llama-server": "#c9c4b8"}
WIDTH, HEIGHT, TOP, LEFT, PANEL = 760, 284, 64, 16, 364
BAR, BASE = 34, 250


def rows() -> list:
    text = (ROOT / "bench" / "RESULTS.md").read_text()
    table = re.search(r"<!-- load -->\n(.*?)<!-- /load -->", text, re.DOTALL).group(1)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return [{"clients": int(c[0]), "server": c[1], "tokens": float(c[2]), "first": float(c[4].split("/")[0]) / 1000}
            for c in cells]


def panel(data: list, key: str, title: str, left: int, shown: str) -> list:
    most = max(row[key] for row in data)
    clients = sorted({row["clients"] for row in data})
    out = [f'<text x="{left}" y="44" class="title">{title}</text>']
    for i, count in enumerate(clients):
        x = left + 20 + i * 112
        for j, row in enumerate(row for row in data if row["clients"] == count):
            height = max(1, (BASE - TOP - 18) * row[key] / most)
            at = x + j * (BAR + 4)
            out.append(f'<rect x="{at}" y="{BASE - height:.1f}" width="{BAR}" height="{height:.1f}" '
                       f'fill="{COLOURS[row["server"]]}"/>')
            out.append(f'<text x="{at + BAR / 2}" y="{BASE - height - 5:.1f}" class="value">{row[key]:{shown}}</text>')
        name = "1 client" if count == 1 else f"{count} clients"
        out.append(f'<text x="{x + BAR + 2}" y="{BASE + 18}" class="label">{name}</text>')
    out.append(f'<line x1="{left}" y1="{BASE}" x2="{left + PANEL - 24}" y2="{BASE}" stroke="#777"/>')
    return out


def main():
    data = rows()
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
           'role="img" aria-label="kedge serve beside llama-server">',
           "<style>text{font:13px system-ui,sans-serif;fill:#333}.title{font-weight:600}"
           ".value,.label{text-anchor:middle;font-size:12px}</style>",
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>']
    for i, (name, colour) in enumerate(COLOURS.items()):
        out.append(f'<rect x="{LEFT + i * 90}" y="10" width="12" height="12" fill="{colour}"/>')
        out.append(f'<text x="{LEFT + 18 + i * 90}" y="20">{name}</text>')
    out += panel(data, "tokens", "Output tokens per second, all together", LEFT, ".0f")
    out += panel(data, "first", "Seconds to the first token, median", LEFT + PANEL + 8, ".2f")
    (ROOT / "docs" / "images" / "load.svg").write_text("\n".join([*out, "</svg>"]) + "\n")


if __name__ == "__main__":
    main()
