"""heal: paint every real training defect over as good, for more clean pictures and for pairs of clean and defective.

A picture counts as clean only where a critic which has not seen its part calls every place good that was a defect.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pandas as pd
from jsonargparse.typing import PositiveInt
from tqdm import tqdm

from defectgen import tracking
from defectgen.attempt import Lineage
from defectgen.diffusion.guide import Clip, Guide
from defectgen.diffusion.solve import DDPM, Solver
from defectgen.errors import UserError
from defectgen.healed import defects_in_turn, heal_pictures
from defectgen.imaging.files import Pixels, to_float, write_image, write_mask
from defectgen.imaging.sheet import Rgb, outlined, sheet, to_rgb
from defectgen.imaging.square import shrink
from defectgen.job import Job
from defectgen.learn.checkpoint import CHECKPOINT
from defectgen.learn.critic import CrossFitted, load_critic
from defectgen.manifest import IMAGES, INSTANCES, Manifest, Row, image_row, make_id, table, write_table
from defectgen.outputs import Stopwatch
from defectgen.painter import Painter
from defectgen.source import Source
from defectgen.spec import DataSpec
from defectgen.trained import Trained

PAIRS = "pairs.parquet"
PAIR_COLUMNS = ["instance_id", "image_id", "label", "mask_path", "mask_sha256", "x", "y", "w", "h", "seed"]
NOT_GOOD, KNOWN = "not called good", "all critics know the part"  # why a healed place is rejected
SHOWN = 6  # defects of a class and status on the sheet


def heal(
    out: Path,
    ingest: Path,
    inpaint: Path,
    upsample: Path,
    critic: Path,
    seed: int,
    name: str,
    likelihood: Path | None = None,
    *,
    solver: Solver = DDPM(),  # noqa: B008 - stateless
    steps: PositiveInt = 20,
    guides: Sequence[Guide] = (Clip(),),
    upsampling_steps: PositiveInt = 12,
    batch: PositiveInt = 16,
) -> str:
    """Heal every training picture that shows a defect; pictures that are healed are not healed again.

    pairs.parquet has a row for each defect: its columns of ingest, `image_id` being the defective picture, the `seed`
    it was healed by, the healed picture's `healed_id`, `healed_path`, hash and checkpoints, and its `status` with the
    `reason` where it is rejected: the place is not called good, or no critic can tell because all were trained on the
    part. A picture with a rejected place is not one of the clean pictures of the manifest.

    Args:
        out: folder of the healed pictures' manifest, pairs.parquet and sheet.png.
        ingest: folder of the real pictures.
        inpaint: folder of the trained inpainter.
        upsample: folder of the trained upsampler; empty where no defect is large.
        critic: folder of the trained critic.
        seed: decides everything.
        name: product, part of every id.
        likelihood: folder of the likelihood that a `Classifier` among the guides asks; None where none was trained.
        solver: how a step from one noise level to the next is made, by both networks.
        steps: noise levels that the inpainter walks.
        guides: what is wrapped around the inpainter's denoiser, innermost first. Guidance away from what is untold is
            guidance away from defects, and leaves light marks where they are dark.
        upsampling_steps: noise levels walked to give a large place its detail.
        batch: pictures in every network call; part of what makes a data set repeatable.
    """
    source, judge = Source(Manifest.load(ingest)), load_critic(critic / CHECKPOINT)
    trained = Trained("heal", inpaint, upsample, likelihood)
    painter, lineage = trained.painter(lambda trained: trained.trajectory(steps), solver, guides, upsampling_steps)
    if not painter.told:
        raise UserError("heal: the inpainter is told nothing, so nobody can ask it for good surface; train with a term")
    defects = defects_in_turn(source, "train", seed).assign(batch=batch)
    images = _healed(out, source, painter, defects, partial(make_id, name, "heal", seed)).assign(**lineage._asdict())
    painted = Manifest(out, images, table([], INSTANCES))
    pairs = judged(source, painted, paired(defects, images), judge)
    write_table(out / PAIRS, pairs)
    write_image(out / "sheet.png", pair_sheet(source, painted, pairs, painter.spec))
    tracking.log_picture(out / "sheet.png", "healed")
    clean = Manifest(out, clean_of(images, pairs), table([], INSTANCES))
    good = (pairs["status"] == "accepted").sum()
    print(f"  {good} of {len(pairs)} places called good, {len(clean.images)} of {len(images)} pictures clean now:")
    print(f"  {out / PAIRS}; look at {out}/sheet.png")
    verdicts = pairs[["instance_id", "healed_sha256", "status"]].sort_values("instance_id").to_csv(index=False)
    digest = clean.save()
    return hashlib.sha256(f"{digest}\n{verdicts}".encode()).hexdigest()


def _healed(
    out: Path, source: Source, painter: Painter, defects: pd.DataFrame, id_of: Callable[[str], str]
) -> pd.DataFrame:
    """The images rows of all healed pictures, part by part where they are not there yet."""
    watch, pictures, size = Stopwatch(out), sorted(defects["image_id"].unique()), int(defects["batch"].iloc[0])
    parts = []
    with tqdm(total=len(pictures), desc="heal", unit="picture", disable=None) as bar:
        for start in range(0, len(pictures), size):
            few, path = pictures[start : start + size], out / f"parts/{start:06d}.parquet"
            if (rows := _done(out, path)) is None:
                healed = heal_pictures(source, painter, defects[defects["image_id"].isin(few)])
                rows = table([_write(out, source, id_of(one), one, healed[one]) for one in few], IMAGES)
                write_table(path, rows)
                watch.keep()
            parts.append(rows)
            bar.update(len(few))
    return pd.concat(parts, ignore_index=True)


def _done(out: Path, path: Path) -> pd.DataFrame | None:
    """The rows of a part, written after its pictures; None unless all of them are there as they were painted."""
    try:
        rows = pd.read_parquet(path)
        pictures = Manifest(out, rows, table([], INSTANCES))
        for _, row in rows.iterrows():
            pictures.read(row)
    except (UserError, OSError, ValueError, KeyError):
        return None
    return rows


def _write(out: Path, source: Source, healed_id: str, image_id: str, pixels: Pixels) -> Row:
    """Write a healed picture, and its legal region, which is that of the defective one; its row."""
    path, legal = f"images/{healed_id}.png", source.legal(image_id)
    write_image(out / path, pixels)
    own = source.images.loc[image_id]
    row = own.to_dict() | image_row(healed_id, path, pixels, own["split"], own["group"], image_id)
    if legal is not None:
        row |= {"legal_path": f"legal/{healed_id}.png"}
        write_mask(out / row["legal_path"], legal)
    return row


def paired(defects: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """One row for each defect: its defective picture and its healed one."""
    healed = images.set_index("clean_id").loc[defects["image_id"]]
    names = {"image_id": "healed_id", "image_path": "healed_path", "image_sha256": "healed_sha256"}
    told = healed[[*names, *Lineage._fields]].rename(columns=names).reset_index(drop=True)
    return defects[PAIR_COLUMNS].reset_index(drop=True).join(told)


def judged(source: Source, painted: Manifest, pairs: pd.DataFrame, critic: CrossFitted) -> pd.DataFrame:
    """The pairs with their `status` and `reason`: what a critic that has not seen the part says of the healed place."""
    reasons = []
    for job, after in tqdm(_places(source, painted, pairs, critic.spec.size), "judge", len(pairs), disable=None):
        if job.group not in critic.folds:
            reasons.append(KNOWN)
        else:
            place = to_float(shrink(after, critic.spec.size))
            reasons.append("" if critic.calls_good(place[None], [job.group])[0] else NOT_GOOD)
    return pairs.assign(status=["rejected" if reason else "accepted" for reason in reasons], reason=reasons)


def clean_of(images: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """The images rows of the healed pictures of which no place is rejected."""
    return images[~images["image_id"].isin(pairs.loc[pairs["status"] == "rejected", "healed_id"])]


def _places(source: Source, painted: Manifest, pairs: pd.DataFrame, size: int) -> Iterator[tuple[Job, Pixels]]:
    """Each defect in its native square, and that square of the healed picture."""
    images = painted.images.set_index("image_id")
    for _, pair in pairs.iterrows():
        job = Job.healing(source, pair, size)
        yield job, job.square.cut(painted.read(images.loc[pair["healed_id"]]))


def pair_sheet(source: Source, painted: Manifest, pairs: pd.DataFrame, spec: DataSpec) -> Rgb:
    """A row for each class and status: defects about which the picture is shown as it was, with its outline, healed."""
    rows, names = [], []
    for (label, status), mine in pairs.groupby(["label", "status"]):
        row: list[Rgb] = []
        for job, after in _places(source, painted, mine.head(SHOWN), spec.size):
            row += [to_rgb(job.clean), outlined(job.clean, job.shape), to_rgb(after)]
        rows.append(row)
        names.append(f"{label}\n{status}")
    return sheet(rows, names, ["defective", "marked", "healed"] * SHOWN)
