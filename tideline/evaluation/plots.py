"""Plots as inline SVG: plain strings, nothing fetched, nothing run."""

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 360, 300, 44, 12, 36
COLOURS = ("#0b6e99", "#c2410c", "#4d7c0f", "#7c3aed", "#b45309", "#0f766e", "#be185d", "#475569")
GREY = "#94a3b8"

Points = Sequence[tuple[float, float]]


def colours(names: Sequence[str], floors: Sequence[str]) -> dict[str, str]:
    """A colour for each candidate; floors are grey."""
    chosen = {
        name: COLOURS[i % len(COLOURS)]
        for i, name in enumerate(name for name in names if name not in floors)
    }
    return {name: chosen.get(name, GREY) for name in names}


def lines(
    series: Mapping[str, Points],
    colour_of: Mapping[str, str],
    *,
    across: str,
    up: str,
    diagonal: bool = False,
    limit: float = 1.0,
    marks: bool = False,
) -> str:
    """Curves on [0, ``limit``] squared; hovering over one shows its name."""
    parts = [_frame(across, up, limit)]
    if diagonal:
        start, end = _place(0, 0, limit), _place(limit, limit, limit)
        parts.append(_line(start, end, GREY, "3 3"))
    for name, points in series.items():
        placed = [_place(x, y, limit) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        colour = colour_of[name]
        dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in placed)
        parts.append(
            f'<g fill="{colour}"><title>{escape(name)}</title>'
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
            f"{dots if marks else ''}</g>"
        )
    return _svg(HEIGHT, "".join(parts), f"{up} by {across}")


def intervals(
    rows: Sequence[tuple[str, float, float, float]],
    colour_of: Mapping[str, str],
    references: Sequence[tuple[str, float]],
    *,
    across: str,
) -> str:
    """Mean and interval of each name on one scale; dashed lines are the figures of others."""
    values = [v for _, *found in rows for v in found] + [v for _, v in references]
    low, high = min(values), max(values)
    pad = max((high - low) * 0.08, 0.01)
    low, high = low - pad, high + pad
    left, step = 170, 20
    height = TOP + step * len(rows) + BOTTOM
    wide = 560

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * (wide - left - 16)

    parts = []
    for text, value in references:
        at = x(value)
        parts.append(
            f"<g><title>{escape(text)}: {value:.3f}</title>"
            + _line((at, TOP), (at, height - BOTTOM), "#111827", "4 3")
            + "</g>"
        )
    for i, (name, mean, start, end) in enumerate(rows):
        y = TOP + step * i + step / 2
        parts.append(
            f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>'
            f'<g fill="{colour_of[name]}"><title>{escape(name)}: {mean:.3f} '
            f"[{start:.3f}, {end:.3f}]</title>"
            + _line((x(start), y), (x(end), y), colour_of[name])
            + f'<circle cx="{x(mean):.1f}" cy="{y:.1f}" r="4"/></g>'
        )
    for i in range(5):
        value = low + (high - low) * i / 4
        parts.append(
            f'<text x="{x(value):.1f}" y="{height - 18}" text-anchor="middle">{value:.2f}</text>'
        )
    parts.append(
        f'<text x="{(left + wide) / 2:.0f}" y="{height - 4}" text-anchor="middle">'
        f"{escape(across)}</text>"
    )
    return _svg(height, "".join(parts), across, wide)


def _place(x: float, y: float, limit: float) -> tuple[float, float]:
    across = LEFT + min(x / limit, 1.0) * (WIDTH - LEFT - 12)
    return across, HEIGHT - BOTTOM - min(y / limit, 1.0) * (HEIGHT - TOP - BOTTOM)


def _frame(across: str, up: str, limit: float) -> str:
    parts = []
    for i in range(5):
        value = limit * i / 4
        x, base = _place(value, 0, limit)
        _, y = _place(0, value, limit)
        parts.append(
            f'<text x="{x:.1f}" y="{base + 14:.1f}" text-anchor="middle">{value:.2f}</text>'
        )
        parts.append(f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{value:.2f}</text>')
        parts.append(_line((LEFT, y), (WIDTH - 12, y), "#e2e8f0"))
    middle = (LEFT + WIDTH) / 2
    parts.append(
        f'<text x="{middle:.0f}" y="{HEIGHT - 5}" text-anchor="middle">{escape(across)}</text>'
        f'<text transform="rotate(-90)" x="{-(HEIGHT - BOTTOM) / 2:.0f}" y="10" '
        f'text-anchor="middle">{escape(up)}</text>'
    )
    return "".join(parts)


def _line(
    start: tuple[float, float], end: tuple[float, float], colour: str, dashes: str = ""
) -> str:
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" '
        f'stroke="{colour}"{dash}/>'
    )


def _svg(height: int, body: str, label: str, width: int = WIDTH) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(label)}">{body}</svg>'
    )
