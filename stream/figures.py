"""`stream models draw`: a CMMP bundle looks at one frame of the drawn world, as pictures."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle
from models.coco import CLASSES
from models.evaluation.figures import draw_patterns, draw_scores, draw_steps
from models.evaluation.insight import look
from models.world.render import World
from models.world.truth import FrameTruth
from stream.errors import StreamError
from stream.world_clips import true_detections


def draw_figures(bundle: Bundle, out: Path, *, seed: int, seconds: float) -> list[Path]:
    """Write `cmmp-steps.png`, `cmmp-scores.png`, `cmmp-patterns.png`; with the true boxes."""
    image, truth = _frame(seed, seconds)
    classes = (*(bundle.manifest.detector.classes or CLASSES),)
    known = [i for i in truth.instances if i.class_name in classes]
    found = true_detections(FrameTruth(truth.seconds, tuple(known), truth.pairs), classes)
    insight = look(bundle, image, found)
    verbs = bundle.vocabulary.verb_names
    done = {(pair.human, pair.object): pair.verbs for pair in truth.pairs}
    true = _true(insight.names, insight.pairing, verbs, done)
    figures = {
        "steps": draw_steps(image, insight, verbs),
        "scores": draw_scores(insight, verbs, true),
        "patterns": draw_patterns(insight),
    }
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"cmmp-{name}.png" for name in figures]
    for path, figure in zip(paths, figures.values(), strict=True):
        figure.save(path, optimize=True)
    return paths


def _frame(seed: int, seconds: float) -> tuple[npt.NDArray[np.uint8], FrameTruth]:
    world = World(seed, seconds=seconds + 1)
    for image, truth in world.frames():
        if truth.seconds >= seconds:
            return image, truth
    raise StreamError(f"world {seed} has no frame at {seconds:g} s")


def _true(
    names: tuple[str, ...],
    pairing: npt.NDArray[np.int64],
    verbs: tuple[str, ...],
    done: Mapping[tuple[int, int], tuple[str, ...]],
) -> npt.NDArray[np.bool_]:
    """(P, V): what the world's people do; the number behind a name is the instance's id."""
    ids = [int(name.rpartition(" ")[2]) for name in names]
    acts = [done.get((ids[a], ids[b]), ()) for a, b in pairing.T]
    return np.array([[verb in each for verb in verbs] for each in acts], bool)
