"""report: show all of it on one page that needs no other file."""

import hashlib
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from tqdm import tqdm

from defectgen import tracking
from defectgen.errors import UserError
from defectgen.evidence import CALIBRATION
from defectgen.formats.card import FILE as CARD
from defectgen.imaging.files import write_atomic, write_image
from defectgen.imaging.read import read_image
from defectgen.imaging.sheet import Rgb, sheet
from defectgen.learn.callbacks import read_curves
from defectgen.learn.checkpoint import CHECKPOINT
from defectgen.learn.critic import load_critic
from defectgen.page import charts, facts, sheets
from defectgen.page import memorisation as memorisation_page
from defectgen.page.advice import advice
from defectgen.page.agreement import Agreement, judge
from defectgen.page.funnel import Funnel, funnels, meaning, total
from defectgen.page.gates import GateFacts, gate_facts
from defectgen.page.memorisation import CopiesShown
from defectgen.page.render import render
from defectgen.page.run import Run
from defectgen.page.study import Measured
from defectgen.page.tiles import TILE
from defectgen.quality.memorisation import Memorisation, memorisation
from defectgen.source import PLAN
from defectgen.stages.critic import METRICS as CRITIC_METRICS
from defectgen.unhealed import as_kept, every_defect

PAGE, OVERVIEW, METRICS = "report.html", "all classes.png", "metrics.json"
COMPARED = 300  # accepted defects looked for among the training defects


def report(
    out: Path,
    ingest: Path,
    patch: Path,
    inpaint: Path,
    upsample: Path,
    critic: Path,
    plan: Path,
    generate: Path,
    evaluate: Path,
    name: str,
    seed: int,
    heal: Path | None = None,
) -> str:
    """Write report.html, metrics.json and the picture sheets; returns the digest of the data they show.

    Args:
        out: folder they are written to.
        ingest: folder of the real pictures.
        patch: folder of the training patches.
        inpaint: folder of the trained inpainter.
        upsample: folder of the trained upsampler; empty where no defect is large.
        critic: folder of the trained critic.
        plan: folder of the plan.
        generate: folder of the synthetic pictures.
        evaluate: folder of the study whether they help.
        name: product.
        seed: of what is drawn by lot.
        heal: folder of the healed pictures; None where none were healed.
    """
    folders = {"ingest": ingest, "patch": patch, "inpaint": inpaint, "upsample": upsample, "critic": critic}
    folders |= {} if heal is None else {"heal": heal}
    folders |= {"plan": plan, "generate": generate, "evaluate": evaluate}
    run = Run.load(name, folders, pd.read_parquet(plan / PLAN))
    counted = funnels(run.plan, run.drawn.manifest.instances, run.labels)
    real = json.loads((critic / CRITIC_METRICS).read_text())["recall"]
    agreement = judge(load_critic(critic / CHECKPOINT), run, real)
    study = Measured.load(evaluate)
    gates = gate_facts(_limits(generate), run.drawn.manifest.instances, run.labels)
    copied, copies = _copies(run, seed)
    metrics = agreement.figures() | {"yield": total(counted).shares["accepted"], "utility": study.metrics()}
    metrics |= {"copies": copied.figures()}
    tracking.log_metrics(copied.metrics())
    class_sheets = [sheets.class_sheet(run, funnel.label) for funnel in counted if funnel.accepted]
    _write_sheets(out / "sheets", class_sheets)
    write_atomic(out / METRICS, json.dumps(metrics, indent=2).encode())
    page = render(_facts(run, study, counted, agreement, gates, copies, class_sheets))
    write_atomic(out / PAGE, page.encode())
    _record(out / PAGE, agreement, metrics["yield"])
    inputs = {stage.name: stage.digest for stage in facts.stages(run)}
    return hashlib.sha256(json.dumps([name, inputs, metrics], sort_keys=True).encode()).hexdigest()


def _limits(generate: Path) -> pd.DataFrame:
    """The limits of the gates, as `generate` kept them."""
    if not (generate / CALIBRATION).is_file():
        raise UserError(f"{generate / CALIBRATION}: no such table, an older version drew this; run generate again")
    return pd.read_parquet(generate / CALIBRATION)


def _facts(
    run: Run,
    study: Measured,
    counted: Sequence[Funnel],
    agreement: Agreement,
    gates: Sequence[GateFacts],
    copies: CopiesShown,
    class_sheets: Sequence[sheets.ClassSheet],
) -> dict[str, Any]:
    """What the template fills in."""
    everything = total(counted)
    real_counts = run.real.defects("train")["label"].value_counts().to_dict()
    curves = {network: read_curves(run.folders[key] / "curves.jsonl") for key, network in facts.NETWORKS.items()}
    stages = facts.stages(run)
    return {
        "name": run.name,
        "study": study,
        "size": run.spec.size,
        "synthetic": run.folders["generate"],
        "pictures": len(run.drawn.manifest.images),
        "clean": int((~run.real.images.loc[run.real.clean("train"), "synthetic"]).sum()),
        "funnels": counted,
        "everything": everything,
        "meanings": {reason: meaning(reason) for reason in sorted(everything.reasons)},
        "gates": gates,
        "copies": copies,
        "copy_columns": memorisation_page.COLUMNS,
        "real_counts": real_counts,
        "agreement": agreement,
        "advice": list(advice(counted, agreement, real_counts, study.verdict.state)),
        "card": CARD,
        "class_sheets": class_sheets,
        "columns": sheets.COLUMNS,
        "rejected": sheets.rejected(run),
        "wholes": sheets.wholes(run),
        "charts": {
            **{f"The {network}'s loss": charts.losses(curve) for network, curve in curves.items()},
            "The inpainter's, held out, by noise level": charts.losses_per_level(curves["inpainter"]),
        },
        "painted": _last_sheet(run.folders["inpaint"]),
        "enlarged": _last_sheet(run.folders["upsample"]),
        "stages": stages,
        "seconds": sum(stage.seconds for stage in stages),
        "seconds_by_kind": facts.seconds_by_kind(run),
        "speeds": facts.speeds(run),
        "versions": facts.versions(),
        "seed": facts.seed(run),
        "made": date.today().isoformat(),
    }


def _copies(run: Run, seed: int) -> tuple[Memorisation, CopiesShown]:
    """Accepted defects, up to COMPARED of them drawn by lot, and held-out real ones beside the training defects."""
    accepted = run.accepted().sample(frac=1, random_state=seed % 2**32).head(COMPARED)
    placed = accepted.assign(x=accepted["region_x"], y=accepted["region_y"])
    size, folder = run.spec.size, run.folders["generate"]
    drawn = [as_kept(folder, run.real, row, size) for _, row in placed.iterrows()]
    training, held_out = every_defect(run.real, "train", size), every_defect(run.real, "val", size)
    found = memorisation(training, held_out, tqdm(drawn, "copies", disable=None), drawn, seed)
    return found, memorisation_page.shown(found, training, held_out, drawn)


def _last_sheet(training: Path) -> Rgb | None:
    """The samples drawn last in a training."""
    sheets_ = sorted((training / "samples").glob("*.png"))
    return read_image(sheets_[-1]) if sheets_ else None


def _write_sheets(folder: Path, class_sheets: Sequence[sheets.ClassSheet]) -> None:
    """One PNG per class and one of all, for looking at without the page.

    A class's name may hold what a file's name may not, so it is quoted.
    """
    overview = sheet(
        [shown.rows[0] for shown in class_sheets], [shown.label for shown in class_sheets], sheets.COLUMNS, cell=TILE
    )
    write_image(folder / OVERVIEW, overview)
    tracking.log_picture(folder / OVERVIEW, "sheets/overview")
    for shown in class_sheets:
        path = folder / f"{quote(shown.label, safe='')}.png"
        write_image(path, sheet(shown.rows, shown.names, sheets.COLUMNS, cell=TILE))
        tracking.log_picture(path, f"sheets/{shown.label}")


def _record(page: Path, agreement: Agreement, accepted: float) -> None:
    """Tell the tracking and the console."""
    tracking.log_artifact(page)
    per_class = {f"agreement/{label}": share for label, share in agreement.generated.items()}
    tracking.log_metrics(per_class | {"class_agreement": agreement.overall, "yield": accepted})
    beside = "" if agreement.real_overall is None else f" (real held-out defects {agreement.real_overall:.0%})"
    drawn = int(agreement.confusion.sum())
    print(f"  class agreement {agreement.overall:.0%} on {drawn} generated defects{beside}, yield {accepted:.0%}")
