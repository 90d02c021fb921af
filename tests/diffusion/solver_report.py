"""The report of the solvers' convergence: reports/solvers.png and what is measured in reports/solvers.md."""

import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path

from convergence import (
    CALLS,
    CONTENDERS,
    DETERMINISTIC,
    PIXELS,
    SCHEDULES,
    TWINS,
    Curves,
    last_step_error,
    noise_floor,
    order,
)
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

REPORTS = Path(__file__).parents[2] / "reports"


def draw(flow: Curves, spread: Curves) -> None:
    """The picture: what is measured in rows, schedules in columns."""
    figure = Figure((12, 10.5), layout="constrained")
    grid = figure.subplots(2, 2, sharex=True, sharey="row")
    low, high = noise_floor()
    for (name, schedule), upper, lower in zip(SCHEDULES.items(), *grid, strict=True):
        panel(upper, f"{name} levels: end of the probability flow", flow, name)
        upper.plot(*zip(*last_step_error(schedule), strict=True), "k-.", lw=1, label="the last step alone")
        panel(lower, f"{name} levels: distribution of what is drawn", spread, name)
        lower.axhspan(low, high, color="0.9", label=f"{PIXELS:,} pixels of the mixture itself")
        lower.plot([], [], "o:", mfc="none", lw=1, color="grey", label="diffusers (same colour)")
        lower.set_xlabel("network calls")
    grid[0][0].set(ylim=(0.04, 60), ylabel="root mean square error (8-bit grey levels)")
    grid[1][0].set(ylim=(0.06, 60), ylabel="Wasserstein-1 distance (8-bit grey levels)")
    legend = dict(pair for axes in grid[:, 0] for pair in zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    figure.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=5, frameon=False)
    path = REPORTS / "solvers.png"
    figure.savefig(path, dpi=100)
    Image.open(path).convert("RGB").quantize(128).save(path, optimize=True)  # a third of the bytes


def panel(axes: Axes, title: str, curves: Curves, schedule: str) -> None:
    """Ours as lines, theirs as hollow markers; a twin lies dashed on the other, its markers around the other's."""
    for name, colour in ((contender.name, contender.colour) for contender in CONTENDERS):
        twin = name in TWINS
        label = f"{name}, as {TWINS[name]}" if twin else name
        if ours := curves.get((schedule, name, "ours")):
            axes.plot(*zip(*ours, strict=True), "--" if twin else "-", color=colour, label=label)
        if theirs := curves.get((schedule, name, "theirs")):
            style, size = ("s:", 9) if twin else ("o:", 6)
            axes.plot(*zip(*theirs, strict=True), style, ms=size, mfc="none", lw=1, color=colour)
    axes.set(title=title, xscale="log", yscale="log", xticks=CALLS)
    axes.minorticks_off()
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3)


def write(flow: Curves, spread: Curves) -> None:
    """What stands between the report's two markers."""
    path = REPORTS / "solvers.md"
    before, start, rest = path.read_text().partition("<!-- measured -->\n")
    _, end, after = rest.partition("<!-- /measured -->\n")
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "diffusers"))
    parts = [
        f"Measured on {date.today()} with Python {platform.python_version()}, {packages}, {platform.machine()} CPU.",
        f"### Best of ours\n\n{best_table(flow, spread)}",
        *(f"### End of the probability flow, {name} levels\n\n{error_table(flow, name)}" for name in SCHEDULES),
        *(f"### Distribution, {name} levels\n\n{error_table(spread, name)}" for name in SCHEDULES),
        "Nine in ten lots of {:,} pixels of the mixture itself are {:.2f} to {:.2f} away from it.".format(
            PIXELS, *noise_floor()
        ),
        f"### Order of the error before the last step, from 160 to 320 calls, ours\n\n{order_table()}",
    ]
    path.write_text(before + start + "\n\n".join(parts) + "\n" + end + after)


def best_table(flow: Curves, spread: Curves) -> str:
    """The solver of ours and the schedule with the smallest error for each number of calls."""
    rows = []
    for index, calls in enumerate(CALLS):
        row = [str(calls)]
        for measured in (flow, spread):
            ours = {key: points[index].error for key, points in measured.items() if key[2] == "ours"}
            schedule, name, _ = winner = min(ours, key=lambda key: ours[key])
            row.append(f"{name}, {schedule}: {ours[winner]:.2f}")
        rows.append(row)
    return tabulated(["calls", "end of the probability flow", "distribution"], rows)


def error_table(measured: Curves, schedule: str) -> str:
    """Ours / theirs for every solver and number of calls."""
    rows = []
    for name in (contender.name for contender in CONTENDERS if (schedule, contender.name, "ours") in measured):
        ours = [f"{point.error:.2f}" for point in measured[schedule, name, "ours"]]
        theirs = [f"{point.error:.2f}" for point in measured.get((schedule, name, "theirs"), [])] or ["–"] * len(CALLS)
        rows.append([name, *(" / ".join(both) for both in zip(ours, theirs, strict=True))])
    return tabulated(["ours / `diffusers`", *map(str, CALLS)], rows)


def order_table() -> str:
    rows = [[one.name, *(f"{order(one, each, 160):.2f}" for each in SCHEDULES.values())] for one in DETERMINISTIC]
    return tabulated(["", *SCHEDULES], rows)


def tabulated(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, ["---", *["--:"] * (len(header) - 1)], *rows])
