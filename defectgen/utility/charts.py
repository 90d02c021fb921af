"""The charts of the study, as PNG: differences with intervals, precision over recall, confusion."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from defectgen.imaging.files import write_atomic, write_image
from defectgen.utility import weighted
from defectgen.utility.figures import PRIMARY, call
from defectgen.utility.mistakes import worst
from defectgen.utility.study import BASELINE, CHARTS, SELECTED, Study
from defectgen.utility.types import Picture, Reading
from defectgen.utility.verdict import MARGIN

INK, GRID, OURS, THEIRS = "#46525e", "#e4e9ee", "#1f6f8b", "#9fb6c6"
COLOURS = {"helps": "#3c8d62", "hurts": "#b4544c"}  # of verdicts; the others are THEIRS
RECALL = np.linspace(0, 1, 201)
COLUMNS = 4  # panels side by side


def write(folder: Path, study: Study, pictures: Mapping[str, Picture]) -> None:
    """All of CHARTS as PNG files; `pictures` are those of the split test by their id."""
    for name, chart in zip(CHARTS, (differences, precision_recall, confusion), strict=False):
        write_atomic(folder / f"{name}.png", chart(study))
    mine = [(reading, study.decision(SELECTED, seed)) for seed, reading in study.of_seeds(SELECTED)]
    write_image(folder / f"{CHARTS[-1]}.png", worst(mine, pictures, study.classes))


def differences(study: Study) -> bytes:
    """What each arm changes of the primary endpoint, with its interval: over all classes, then class by class."""
    table = study.endpoint()
    arms = [arm.name for arm in study.arms if arm.name in set(table["arm"])]
    panels = [label for label in ("", *study.labels) if label in set(table["label"])]
    figure, all_axes = _panels(len(panels), height=1.2 + 0.34 * len(arms))
    for axes, label in zip(all_axes, panels, strict=True):
        _intervals(axes, table[table["label"] == label].set_index("arm"), arms)
        axes.set_title(
            _literal(label) or "all classes", color=INK, loc="left", fontweight="normal" if label else "bold"
        )
    figure.supxlabel(
        f"average precision minus that of “{BASELINE}”, 95 % interval; shaded: no difference", color=INK, size=10
    )
    return _png(figure)


def precision_recall(study: Study) -> bytes:
    """Baseline beside exported arm, class by class: each seed thin, their mean thick."""
    endpoint = study.means(PRIMARY, study.detector)
    labels = [label for label in study.labels if endpoint[label].notna().any()]
    figure, all_axes = _panels(len(labels), height=3.0)
    for axes, label in zip(all_axes, labels, strict=True):
        for arm, colour in ((BASELINE, THEIRS), (SELECTED, OURS)):
            curves = [_curve(reading, study.classes.index(label)) for _, reading in study.of_seeds(arm)]
            for curve in curves:
                axes.plot(RECALL, curve, color=colour, linewidth=0.7, alpha=0.5)
            if curves:
                axes.plot(RECALL, np.mean(curves, axis=0), color=colour, linewidth=2.4, label=arm)
        axes.set_title(_literal(label), color=INK, loc="left")
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.05)
    all_axes[0].legend(frameon=False, labelcolor=INK, fontsize=9)
    figure.supxlabel("recall: share of the class's pictures found", color=INK, size=10)
    figure.supylabel("precision", color=INK, size=10)
    return _png(figure)


def confusion(study: Study) -> bytes:
    """What the pictures of each class are called, baseline beside exported arm, all seeds together."""
    arms = [arm for arm in (BASELINE, SELECTED) if study.of_seeds(arm)]
    side = 1.4 + 0.55 * len(study.classes)
    figure = Figure(figsize=(side * len(arms) + 1, side), layout="constrained")
    FigureCanvasAgg(figure)
    for place, arm in enumerate(arms, 1):
        _matrix(figure.add_subplot(1, len(arms), place), _called(study, arm), study.classes, arm)
    return _png(figure)


def _called(study: Study, arm: str) -> NDArray[np.float64]:
    """(K, K) pictures of all seeds: rows the true class, columns what was called; of several classes, a part each."""
    classes = len(study.classes)
    counts = np.zeros((classes, classes))
    for seed, reading in study.of_seeds(arm):
        assert reading.scores is not None
        calls = call(reading.scores, study.decision(arm, seed))
        counts += weighted.confusion(reading.truth, calls, np.ones((1, len(calls))))[0]
    return counts


def _intervals(axes: Axes, table: pd.DataFrame, arms: Sequence[str]) -> None:
    """One line per arm, the first on top."""
    axes.axvspan(-MARGIN, MARGIN, color=GRID, alpha=0.7, zorder=0)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    for place, arm in enumerate(arms):
        if arm in table.index:
            row = table.loc[arm]
            colour = COLOURS.get(str(row["verdict"]), THEIRS)
            axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=3, solid_capstyle="round")
            axes.plot(row["difference"], place, "o", color=colour, markeredgecolor="white", markersize=8)
    axes.set_yticks(range(len(arms)), arms)
    axes.set_ylim(len(arms) - 0.5, -0.5)


def _curve(reading: Reading, number: int) -> NDArray[np.float64]:
    """Precision at each of RECALL, where the threshold has just come low enough to reach it."""
    assert reading.scores is not None
    precision, recall, _ = precision_recall_curve(reading.truth[:, number], reading.scores[:, number])
    rising_recall, its_precision = recall[::-1], precision[::-1]
    reached = np.searchsorted(rising_recall, RECALL).clip(max=len(recall) - 1)
    curve: NDArray[np.float64] = its_precision[reached]
    return curve


def _matrix(axes: Axes, counts: NDArray[np.float64], classes: Sequence[str], title: str) -> None:
    """Shares of each row as shades, with counts."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        axes.text(column, row, f"{count:.0f}" if count else "·", ha="center", va="center", size=9,
                  color="white" if shares[row, column] > 0.5 else INK)  # fmt: skip
    names = [_literal(label) for label in classes]
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(colors=INK, length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title, color=INK, loc="left")
    axes.set_xlabel("called", color=INK)
    axes.set_ylabel("is", color=INK)


def _literal(name: str) -> str:
    """A class may be called anything; between two dollars stands a formula."""
    return name.replace("$", r"\$")


def _panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    """A grid of empty axes in the house style, all of one scale."""
    columns = min(count, COLUMNS)
    rows = -(-count // columns)
    figure = Figure(figsize=(2 + 2.6 * columns, 0.4 + height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat:
        axes.tick_params(which="both", colors=INK, length=0)
        axes.grid(color=GRID)
        axes.set_axisbelow(True)
        axes.spines[:].set_visible(False)
    for axes in grid.flat[count:]:
        axes.set_visible(False)
    return figure, list(grid.flat[:count])


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()
