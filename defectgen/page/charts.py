"""The charts of the page, as SVG in data URIs."""

import base64
import io
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

Curve = Mapping[int, float]  # step, counted from 0 -> value
INK, GRID, TRAIN, VALIDATION = "#46525e", "#e4e9ee", "#9fb6c6", "#1f6f8b"
LEVEL = "val/loss_sigma_"
SMOOTHED = 0.05  # share of the points that a running mean covers


def losses(curves: Mapping[str, Curve]) -> str | None:
    """Loss of training and validation over the steps, on a logarithmic scale; None where none was recorded."""
    if "train/loss" not in curves and "val/loss" not in curves:
        return None
    figure, axes = _empty("loss")
    if "train/loss" in curves:
        steps, values = _points(curves["train/loss"])
        axes.plot(steps, values, color=TRAIN, linewidth=0.8, alpha=0.6)
        axes.plot(steps, _running_mean(values), color=TRAIN, linewidth=2, label="training")
    if "val/loss" in curves:
        steps, values = _points(curves["val/loss"])
        axes.plot(steps, values, color=VALIDATION, linewidth=2, marker="o", markersize=4, label="held out")
    axes.legend(frameon=False, labelcolor=INK)
    return _uri(figure)


def losses_per_level(curves: Mapping[str, Curve]) -> str | None:
    """Validation loss at each noise level; None where none was recorded."""
    names = {float(name.removeprefix(LEVEL)): name for name in curves if name.startswith(LEVEL)}
    if not names:
        return None
    figure, axes = _empty("held-out loss")
    for number, sigma in enumerate(sorted(names)):
        shade = _shade(number / max(1, len(names) - 1))
        axes.plot(
            *_points(curves[names[sigma]]), color=shade, linewidth=2, marker="o", markersize=3, label=f"{sigma:g}"
        )
    axes.legend(title="noise level", frameon=False, labelcolor=INK, loc="center left", bbox_to_anchor=(1, 0.5))
    return _uri(figure)


def _empty(quantity: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.set_xlabel("training step", color=INK)
    axes.set_ylabel(quantity, color=INK)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.tick_params(which="both", colors=INK, length=0)
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    return figure, axes


def _points(curve: Curve) -> tuple[list[int], list[float]]:
    steps = sorted(curve)
    return [step + 1 for step in steps], [curve[step] for step in steps]


def _running_mean(values: list[float]) -> list[float]:
    """Each value's mean with its neighbours, fewer of them at the ends."""
    reach = round(len(values) * SMOOTHED / 2)
    return [float(np.mean(values[max(0, i - reach) : i + reach + 1])) for i in range(len(values))]


def _shade(share: float) -> tuple[float, ...]:
    """From amber (little noise) to deep blue (much)."""
    few, many = np.array([0.85, 0.58, 0.15]), np.array([0.10, 0.25, 0.42])
    return tuple(few + share * (many - few))


def _uri(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
