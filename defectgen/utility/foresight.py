"""Whether a fidelity figure foretells what helps a detector, in Markdown."""

import math

import pandas as pd

from defectgen.markdown import plain, tabulated
from defectgen.quality.fidelity import predicts, weakness

CHANCE = 0.05  # of any figure at all being found where none foretells anything


def foretold(fidelity: pd.DataFrame, gained: pd.DataFrame) -> str:
    """The answer and the table it rests on, corrected for how many figures were asked.

    fidelity: columns product, arm, features, figure, label, value, real_value. gained: product, arm, difference of the
    primary endpoint.
    """
    found = predicts(fidelity, gained[["product", "arm", "difference"]])
    arms = gained.merge(fidelity[["product", "arm"]].drop_duplicates())["product"].value_counts()
    strong = found[found["p_value"] * len(found) <= CHANCE]
    names = ", ".join(f"{plain(row.figure)} ({plain(row.features)})" for row in strong.itertuples())
    if 2 * len(found) > CHANCE * math.prod(map(math.factorial, arms)):  # even the best order of all, or its reverse
        answer = "Cannot be told: so few arms may stand in any order by chance; `defectgen compare` asks all products."
    else:
        answer = f"Beyond chance: {names}." if names else "Not shown: none goes with the gain more than by chance."
    rows = [
        [f"{plain(row.features)}, {plain(row.figure)}", str(row.n), f"{row.correlation:+.2f}", f"{row.p_value:.2f}"]
        for row in found.itertuples()
    ]
    table = tabulated(["fidelity figure", "arms", "rank correlation", "p"], rows) if rows else ""
    return f"{answer} {weakness(found)}\n\n{table}".rstrip()
