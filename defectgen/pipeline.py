"""Run the steps in order: once for their settings and inputs, skipped while those are unchanged, resumed if killed."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from defectgen import outputs, tracking
from defectgen.config import Settings
from defectgen.errors import UserError
from defectgen.imaging.files import write_atomic
from defectgen.steps import Step


def run(settings: Settings, steps: Sequence[Step]) -> bool:
    """Run the steps, in order, that are not done yet; returns whether there were any.

    Raises:
        UserError: an input is missing, or a folder holds somebody else's files.
    """
    with ExitStack() as tracked:
        ran = False
        for number, step in enumerate(steps, 1):
            label = f"[{number}/{len(steps)}] {step.name}"
            recipe = recipe_of(settings, step)
            if is_done(settings.folder(step), recipe):
                print(f"{label}: unchanged, skipped", flush=True)
                continue
            _check_inputs(settings, step, recipe)
            if not ran:
                tracked.enter_context(tracking.pipeline_run(settings.product, settings.resolved))
            ran = True
            run_step(settings, step, recipe, label)
    return ran


def run_step(settings: Settings, step: Step, recipe: outputs.Recipe, label: str) -> None:
    """Run one step in its folder and record that it is done."""
    out, block = settings.folder(step), settings.block(step)
    note = outputs.begin(out, recipe)
    print(f"{label} -> {out}{note and f' ({note})'}", flush=True)
    heading = f"# {' '.join(settings.command.split())}\n"
    write_atomic(out / "config.yaml", (heading + yaml.safe_dump(block, sort_keys=False)).encode())
    given: dict[str, Any] = {"out": out, "seed": settings.seed, "name": settings.product}
    given |= {earlier.key: settings.folder(earlier) for earlier in inputs_of(settings, step)}
    start = time.perf_counter()
    with tracking.stage_run(step.name, block):
        digest = step.function()(**{name: given[name] for name in step.filled()}, **settings.arguments[step.name])
    if not isinstance(digest, str):
        raise TypeError(f"{step.target} returned {digest!r} for the digest of what it made")
    seconds = time.perf_counter() - start
    outputs.finish(out, recipe, digest, seconds, settings.command)
    print(f"{label}: done in {seconds:.1f} s", flush=True)


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
    return f"defectgen {step.command} --config {settings.path}"


def inputs_of(settings: Settings, step: Step) -> list[Step]:
    """The earlier steps whose folders it reads."""
    return [earlier for earlier in settings.steps if earlier.key in step.inputs()]


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
