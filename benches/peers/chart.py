"""A line chart with two logarithmic axes, written as SVG."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 210, 44, 56


def chart(title, lines, x_label, y_label):
    """`lines` is a list of (label, color, dash, points); a point is (x, y), both positive."""
    xs = sorted({x for *_, points in lines for x, _ in points})
    ys = [y for *_, points in lines for _, y in points]
    low, high = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)))
    high = max(high, low + 1)
    first, last = math.log10(xs[0]), math.log10(xs[-1])

    def across(x):
        part = (math.log10(x) - first) / (last - first) if last > first else 0.5
        return LEFT + (WIDTH - LEFT - RIGHT) * part

    def up(y):
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (math.log10(y) - low) / (high - low)

    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="12" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="24" font-size="14">{escape(title)}</text>',
    ]
    for power in range(low, high + 1):
        for factor in range(1, 10):
            value = factor * 10.0**power
            if math.log10(value) > high:
                break
            at, strong = up(value), factor == 1
            color = "#bbb" if strong else "#eee"
            out.append(f'<line x1="{LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}" stroke="{color}"/>')
            if strong:
                out.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{value:,g}</text>')
    for x in xs:
        at = across(x)
        out.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{bottom}" stroke="#eee"/>')
        out.append(f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{x:,}</text>')
    middle = (TOP + bottom) / 2
    out.append(f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 14}" text-anchor="middle">{escape(x_label)}</text>')
    out.append(
        f'<text x="18" y="{middle}" text-anchor="middle" transform="rotate(-90 18 {middle})">{escape(y_label)}</text>'
    )
    for row, (label, color, dash, points) in enumerate(lines):
        style = f'stroke="{color}" stroke-width="2"' + (f' stroke-dasharray="{dash}"' if dash else "")
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in sorted(points))
        out.append(f'<polyline points="{path}" fill="none" {style}/>')
        for x, y in points:
            out.append(f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="3" fill="{color}"/>')
        at = TOP + 12 + 22 * row
        out.append(f'<line x1="{right + 16}" x2="{right + 44}" y1="{at}" y2="{at}" {style}/>')
        out.append(f'<text x="{right + 52}" y="{at + 4}">{escape(label)}</text>')
    return "\n".join(out) + "\n</svg>\n"
