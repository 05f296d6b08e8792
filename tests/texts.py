"""Which texts of a figure overlap, as they are printed."""

import itertools

import numpy as np
from matplotlib.text import Text


def shown_texts(figure):
    """All texts that are seen, once the figure is laid out."""
    figure.draw_without_rendering()
    axes_of = [axis for axes in figure.axes for axis in axes._axis_map.values()]
    ticks, inside = set(), set()
    for axis in axes_of:
        low, high = sorted(axis.get_view_interval())
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            ticks |= {tick.label1, tick.label2}
            if low - 1e-9 <= tick.get_loc() <= high + 1e-9:
                inside |= {tick.label1, tick.label2}
    texts = figure.findobj(Text)
    seen = (text for text in texts if text.get_visible() and text.get_text().strip())
    return [text for text in seen if text not in ticks or text in inside]


def box(text, angle=0.0):
    """Left, bottom, right and top of a text, in axes that are turned by its own angle."""
    extent = text.get_window_extent()
    if angle % 90 == 0:
        return np.array([extent.x0, extent.y0, extent.x1, extent.y1])
    middle = np.array([extent.x0 + extent.x1, extent.y0 + extent.y1]) / 2
    text.set_rotation(0)
    flat = text.get_window_extent()
    text.set_rotation(angle)
    turn = np.exp(-1j * np.deg2rad(angle)) * complex(*middle)
    middle, half = np.array([turn.real, turn.imag]), np.array([flat.width, flat.height]) / 2
    return np.append(middle - half, middle + half)


def overlaps(figure):
    """Pairs of texts of which one covers more than a hair of the other, or that leave the page."""
    texts = shown_texts(figure)
    turned = [
        (text.get_text(), text.get_rotation(), box(text, text.get_rotation())) for text in texts
    ]
    level = [box(text) for text in texts]
    found = []
    for i, j in itertools.combinations(range(len(texts)), 2):
        same = turned[i][1] == turned[j][1]
        a, b = (turned[i][2], turned[j][2]) if same else (level[i], level[j])
        if (np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]) > 0.5).all():
            found.append((turned[i][0], turned[j][0]))
    for (words, *_), (left, bottom, right, top) in zip(turned, level, strict=True):
        if min(left, bottom) < 0 or right > figure.bbox.width or top > figure.bbox.height:
            found.append((words, "the edge"))
    return found
