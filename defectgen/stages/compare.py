"""compare: every finished study side by side, and whether any fidelity figure foretells what helps a detector."""

from pathlib import Path

import pandas as pd

from defectgen.errors import UserError
from defectgen.imaging.files import write_atomic
from defectgen.markdown import plain, tabulated
from defectgen.outputs import done
from defectgen.utility.figures import PRIMARY
from defectgen.utility.foresight import foretold
from defectgen.utility.study import BASELINE, DIFFERENCE_TABLE, FIDELITY_TABLE, signed
from defectgen.utility.verdict import load

PAGE = "compare.md"


def compare(*, data: Path = Path("data"), out: Path = Path("data/compare")) -> int:
    """Put the studies of all products on one page.

    Args:
        data: root folder of the outputs of `defectgen run`.
        out: folder compare.md is written to.
    """
    folders = [path for path in sorted((data / "evaluate").glob("*")) if done(path) and load(path).overall]
    if not folders:
        raise UserError(f"{data}/evaluate: no finished study; run `defectgen evaluate --config <product>.yaml` first")
    gained = pd.concat([_gained(folder) for folder in folders], ignore_index=True)
    fidelity = pd.concat([_table(folder, FIDELITY_TABLE) for folder in folders], ignore_index=True)
    verdicts = [[plain(folder.name), plain(load(folder).sentence)] for folder in folders]
    told = (
        f"Macro average precision minus that of `{BASELINE}`, with its 95 % interval. A product and its few-shot "
        "variants share their test pictures: read them as one product seen twice, not as two."
    )
    sections = [
        "# Every study",
        tabulated(["product", "verdict"], verdicts),
        f"## The arms\n\n{told}\n\n{_arms(gained)}",
        f"## Does fidelity foretell what helps?\n\n{foretold(fidelity, gained)}",
    ]
    write_atomic(out / PAGE, ("\n\n".join(sections) + "\n").encode())
    print(*sections, sep="\n\n")
    print(f"\ncompare: {out / PAGE}")
    return 0


def _table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / name).assign(product=folder.name)


def _gained(folder: Path) -> pd.DataFrame:
    """What each arm changes of the endpoint over all classes, by the detector of the verdict."""
    table = _table(folder, DIFFERENCE_TABLE)
    mine = table[(table["figure"] == PRIMARY) & (table["label"] == "") & (table["baseline"] == BASELINE)]
    return mine[mine["detector"] == mine["detector"].iloc[0]].dropna(subset="difference")


def _arms(gained: pd.DataFrame) -> str:
    told = gained.assign(told=[signed(row) for _, row in gained.iterrows()])
    wide = told.pivot(index="product", columns="arm", values="told").reindex(columns=told["arm"].unique()).fillna("–")
    rows = [[plain(str(product)), *row] for product, row in zip(wide.index, wide.to_numpy(), strict=True)]
    return tabulated(["product", *(f"`{arm}`" for arm in wide.columns)], rows)
