"""Run the steps in order: once for their settings and inputs, skipped while those are unchanged, resumed if killed."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from defectgen import lock, outputs, tracking
from defectgen.config import Settings
from defectgen.errors import BadInput, UserError
from defectgen.imaging.files import write_atomic
from defectgen.steps import Step


def run(settings: Settings, steps: Sequence[Step]) -> bool:
    """Run the steps, in order, that are not done yet; returns whether there were any.

    From start to end no other process writes to their folders or to those they read.

    Raises:
        UserError: an input is missing, another process is at a folder, or it holds somebody else's files.
    """
    record = settings.data / "tracking"
    with _locks(settings, steps), ExitStack() as tracked:
        ran = False
        for number, step in enumerate(steps, 1):
            label = f"[{number}/{len(steps)}] {step.name}"
            recipe = recipe_of(settings, step)
            if is_done(settings.folder(step), recipe):
                print(f"{label}: unchanged, skipped", flush=True)
                continue
            _check_inputs(settings, step, recipe)
            _check_sources(settings, step)
            if not ran:
                tracked.enter_context(tracking.pipeline_run(settings.product, settings.resolved, record))
            ran = True
            run_step(settings, step, recipe, label)
    if not ran:
        tracking.catch_up(record)
    return ran


def run_step(settings: Settings, step: Step, recipe: outputs.Recipe, label: str) -> None:
    """Run one step in its folder and record that it is done."""
    out, block = settings.folder(step), settings.block(step)
    note = outputs.begin(out, recipe, step.growing)
    print(f"{label} -> {out}{note and f' ({note})'}", flush=True)
    heading = f"# {' '.join(settings.command.split())}\n"
    write_atomic(out / "config.yaml", (heading + yaml.safe_dump(block, sort_keys=False)).encode())
    given: dict[str, Any] = {"out": out, "seed": settings.seed, "name": settings.product}
    given |= {earlier.key: settings.folder(earlier) for earlier in inputs_of(settings, step)}
    watch = outputs.Stopwatch(out)
    with tracking.stage_run(step.name, block), _mends(settings, step):
        filled = {name: given[name] for name in step.filled() & given.keys()}  # not optional steps that are left out
        digest = step.function()(**filled, **settings.arguments[step.name])
    if not isinstance(digest, str):
        raise TypeError(f"{step.target} returned {digest!r} for the digest of what it made")
    outputs.finish(out, recipe, digest, watch.seconds(), settings.command)
    print(f"{label}: done in {watch.seconds():.1f} s", flush=True)


def recipe_of(settings: Settings, step: Step) -> outputs.Recipe:
    """Everything the step's output follows from; the digest of an input that is not there is None."""
    digests = {earlier.key: outputs.done(settings.folder(earlier)) for earlier in inputs_of(settings, step)}
    return {
        "settings": settings.block(step),
        "inputs": {key: record and record["digest"] for key, record in digests.items()},
        "files": {str(path): outputs.fingerprint(path) for path in settings.sources[step.name] if path.exists()},
        "run": {"seed": settings.seed, "product": settings.product, "version": step.version},
    }


def is_done(folder: Path, recipe: outputs.Recipe) -> bool:
    """Whether the folder holds the finished output of exactly this recipe."""
    record = outputs.done(folder)
    return record is not None and record["key"] == outputs.key_of(recipe)


def command_for(settings: Settings, step: Step) -> str:
    """What to type to run a step with the same YAML."""
    overlay = f" --with {settings.overlay}" if settings.overlay else ""
    return f"defectgen {step.command} --config {settings.path}{overlay}"


def inputs_of(settings: Settings, step: Step) -> list[Step]:
    """The earlier steps whose folders it reads."""
    return [earlier for earlier in settings.steps if earlier.key in step.inputs()]


def _check_sources(settings: Settings, step: Step) -> None:
    """Refuse a file or folder of the user's before the step's own folder is emptied, which might be all there is of it.

    Raises:
        UserError: it is not there, or lies in the folder that the step writes.
    """
    out = settings.folder(step)
    for path in settings.sources[step.name]:
        if path.resolve().is_relative_to(out.resolve()):
            raise UserError(f"{step.name}: {path} lies in {out}, which this step empties; move it elsewhere first")
        if not path.exists():
            raise UserError(f"{step.name}: {path}: no such file or folder; correct it in {settings.path}")


@contextmanager
def _locks(settings: Settings, steps: Sequence[Step]) -> Iterator[None]:
    """Write locks on the folders of the steps, read locks on the others they read, all at once or none.

    For the whole run, because a step also relies on what the earlier ones of the run have left.
    """
    inputs = {earlier.name: earlier for step in steps for earlier in inputs_of(settings, step) if earlier not in steps}
    with ExitStack() as locks:
        for taken, some in ((lock.writing, steps), (lock.reading, inputs.values())):
            for step in some:
                locks.enter_context(taken(settings.data, settings.folder(step), settings.command))
        yield


@contextmanager
def _mends(settings: Settings, step: Step) -> Iterator[None]:
    """Where a file that an earlier step has written vanished or was damaged, say how it is made anew."""
    try:
        yield
    except BadInput as error:
        for earlier in inputs_of(settings, step):
            folder = settings.folder(earlier)
            if Path(error.where).is_relative_to(folder):
                mend = f"delete {folder / 'done.json'} and run `{command_for(settings, earlier)}`, which makes it anew"
                raise BadInput(error.where, error.what, mend) from None
        raise


def _check_inputs(settings: Settings, step: Step, recipe: outputs.Recipe) -> None:
    """Refuse a missing input, and say so where one was made with other settings: a step run alone takes what is there.

    Raises:
        UserError: an input is missing; the line says which command makes it.
    """
    for earlier in inputs_of(settings, step):
        folder, command = settings.folder(earlier), command_for(settings, earlier)
        if recipe["inputs"][earlier.key] is None:
            _check_inputs(settings, earlier, recipe_of(settings, earlier))  # name the first command that is missing
            raise UserError(f"{folder} is not finished; run `{command}` first")
        theirs = recipe_of(settings, earlier)
        if None not in theirs["inputs"].values() and not is_done(folder, theirs):
            print(f"note: {folder} was made with other settings or inputs; `{command}` would make it anew")
