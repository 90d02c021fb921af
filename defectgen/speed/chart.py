"""The results as a picture: shares of the floor above, ours beside the rivals below."""

import io
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from defectgen.speed.page import LARGE, SAMPLING_WANTED, SMALL, TRAINING_WANTED
from defectgen.speed.results import Results
from defectgen.speed.stopwatch import Timed

INK, GRID, OURS, THEIRS, WANTED = "#46525e", "#e4e9ee", "#1f6f8b", "#9fb6c6", "#d9822b"


def draw_chart(results: Results) -> bytes:
    """A PNG."""
    figure = Figure(figsize=(11, 8.5), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 2)
    _shares(figure.add_subplot(grid[0, :]), results)
    left = figure.add_subplot(grid[1, 0])
    right = figure.add_subplot(grid[1, 1], sharey=left)
    right.tick_params(labelleft=False)
    names = [network.name for network in results.networks]
    denoising, training = zip(*((network.denoising, network.training) for network in results.networks), strict=True)
    _speeds(left, "denoising, patches/s (share of the floor)", names, denoising, results.rate)
    _speeds(right, "training, patches/s (share of the floor)", names, training, results.rate)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def _shares(axes: Axes, results: Results) -> None:
    """Of every figure that has a floor, with a mark where it should reach."""
    bars = {
        "training, without loading": (results.ours.training.figure, TRAINING_WANTED),
        "training, with loading": (results.loaded, None),
        "denoising": (results.ours.denoising.figure, None),
        "sampling": (results.small.steps["sampling"], SAMPLING_WANTED),
        f"{SMALL} in all": (results.small.whole, None),
        "upsampling": (results.large.steps["upsampling"], None),
        f"{LARGE} in all": (results.large.whole, None),
    }
    shares = [100 * figure.share(results.rate) for figure, _ in bars.values()]
    _bars(axes, list(bars), shares, [f"{share:.0f}%" for share in shares], [OURS] * len(bars))
    wanted = {place: 100 * share for place, (_, share) in enumerate(bars.values()) if share}
    axes.plot(list(wanted.values()), list(wanted), "|", ms=28, mew=3, color=WANTED, label="wanted")
    axes.legend(frameon=False, labelcolor=INK, loc="upper right", bbox_to_anchor=(1, 1))
    axes.set_xlim(0, 100)
    rate = f"{results.rate / 1e9:,.0f} GFLOP/s in {results.fastest}"
    axes.set_title(f"share of the floor, %: counted operations at {rate}", color=INK, loc="left")


def _speeds(axes: Axes, title: str, networks: Sequence[str], contenders: Sequence[Timed], rate: float) -> None:
    figures = [contender.figure for contender in contenders]
    speeds = [1 / figure.median for figure in figures]
    labels = [f"{speed:.1f}  ({figure.share(rate):.0%})" for speed, figure in zip(speeds, figures, strict=True)]
    _bars(axes, networks, speeds, labels, [OURS, *[THEIRS] * (len(speeds) - 1)])
    axes.set_xlim(0, 1.3 * max(speeds))
    axes.set_title(title, color=INK, loc="left")


def _bars(
    axes: Axes, names: Sequence[str], lengths: Sequence[float], labels: Sequence[str], colours: Sequence[str]
) -> None:
    """Horizontal bars, the first one on top."""
    bars = axes.barh(names, lengths, color=colours, height=0.62)
    over_marks = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    axes.bar_label(bars, labels, padding=4, color=INK, bbox=over_marks)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(colors=INK, length=0)
    axes.grid(axis="x", color=GRID)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
