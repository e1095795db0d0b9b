"""The plots of docs/benchmarks.md, as SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.contestants import BARE, BASE
from bench.throughput import size_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.growth import Growth
    from bench.slow import Slow
    from bench.throughput import Result

# Keep text as text, and make the output reproducible.
mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "accel-gateway"})
_OURS, _OTHERS = "#1f6feb", "#9aa4b2"


def throughput(path: Path, results: Sequence[Result], connections: int) -> None:
    """Draw each contestant's throughput relative to static nginx, by file size."""
    shown = [r for r in results if r.cell.connections == connections]
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    for axes, result in zip(figure.subplots(1, len(shown)), shown, strict=True):
        names = [n for n in reversed(result.figures) if n not in {BARE, BASE}]
        ratios = [result.ratio(name) for name in names]
        axes.barh(
            names,
            [one.median for one in ratios],
            xerr=(
                [one.median - one.least for one in ratios],
                [one.most - one.median for one in ratios],
            ),
            color=[_OURS if name.startswith("gateway") else _OTHERS for name in names],
            ecolor="#444444",
        )
        axes.axvline(1, color="#444444", linewidth=0.8)
        axes.set_xlim(0)
        axes.set_title(f"{size_name(result.cell.size)}, {connections} at a time")
        axes.set_xlabel("share of nginx static")
        if axes is not figure.axes[0]:
            axes.set_yticklabels([])
    _save(figure, path)


def slow(path: Path, results: Sequence[Slow]) -> None:
    """Draw the visitor's waits, without slow readers and with them."""
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    panels = figure.subplots(1, len(results), sharey=True)
    for axes, result in zip(panels, results, strict=True):
        for label, pulses in (("alone", result.alone), ("beside", result.beside)):
            waits = sorted(wait for each in pulses for wait in each.waits)
            requests = sum(each.requests for each in pulses)
            shares = [100 * (n + 1) / requests for n in range(len(waits))]
            milliseconds = [1000 * wait for wait in waits]
            color = _OTHERS if label == "alone" else _OURS
            axes.plot(milliseconds, shares, label=label, color=color)
        axes.set_xscale("log")
        axes.set_title(f"{result.name}", fontsize=10)
        axes.set_xlabel("ms until the answer's end")
        axes.legend(title=f"{result.readers:,} readers")
    figure.axes[0].set_ylabel("% of the visitor's requests")
    _save(figure, path)


def growth(path: Path, results: Sequence[Growth]) -> None:
    """Draw the cost of a verdict against the number of rows, files or keys."""
    figure = Figure(figsize=(7, 3.4), layout="constrained")
    axes = figure.subplots()
    for result in results:
        ratios = result.ratios()
        counts = sorted(ratios)
        middles = [ratios[count].median for count in counts]
        below = [ratios[count].median - ratios[count].least for count in counts]
        above = [ratios[count].most - ratios[count].median for count in counts]
        axes.errorbar(
            counts, middles, yerr=(below, above), label=result.what, marker="o",
            capsize=3,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_ylim(0)
    axes.set_xlabel("how many there are")
    axes.set_ylabel("a verdict, relative to the fewest")
    axes.legend()
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None})
