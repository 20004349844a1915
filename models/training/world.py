"""`stream train world`: frames, detector and box scorer of the `world` bundle, from nothing."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from models.bundle import BoxesSection, DetectorSection, Manifest, write_manifest
from models.datasets.world import HIDDEN, world_vocabulary
from models.heatmap_detector import export_onnx
from models.training.boxes import (
    SCORER_FILE,
    Pairs,
    calibrate,
    fit,
    read_settings,
    with_strangers,
)
from models.training.world_detector import Progress, train_world_detector
from models.training.world_frames import RENDERED, read_clip, render_frames
from models.world.truth import CLASSES, UNSEEN, VERBS

DETECTOR_FILE = "detector.onnx"

_CLIPS = 3000
_CALIBRATION_CLIPS = 300  # the last ones; the scorer does not train on them
_NEAR = 1.0  # person heights


def train_world(
    work: Path,
    out: Path,
    *,
    images: int = 140_000,
    clips: int = _CLIPS,
    seed: int = 0,
    on_clip: Callable[[int], None] = lambda _: None,
    on_step: Callable[[Progress], None] = lambda _: None,
) -> Manifest:
    """Make the bundle in `out`; `work` keeps frames and checkpoints, so that it can go on."""
    paths = render_frames(work / "frames", clips, on_clip=on_clip)
    out.mkdir(parents=True, exist_ok=True)
    network = train_world_detector(
        paths, work / "detector.pt", images=images, seed=seed, on_step=on_step
    )
    export_onnx(network, out / DETECTOR_FILE)
    return finish_bundle(paths, out, seed=seed)


def finish_bundle(clips: Sequence[Path], out: Path, *, seed: int = 0) -> Manifest:
    """Train the scorer beside an exported detector and write the manifest."""
    vocabulary = world_vocabulary()
    held_out = max(1, min(_CALIBRATION_CLIPS, len(clips) // 5))
    network = fit(world_pairs(clips[:-held_out]), vocabulary, seed=seed, epochs=20)
    network.save(out / SCORER_FILE)
    strangers = with_strangers(world_pairs(clips[-held_out:]), np.random.default_rng(seed))
    manifest = Manifest(
        name="world",
        version="1",
        description="A rendered world of people and things. It knows nothing of real footage.",
        footage="world",
        detector=DetectorSection(file=DETECTOR_FILE, classes=CLASSES, threshold=0.1),
        scorer=BoxesSection(kind="boxes", file=SCORER_FILE),
        vocabulary=vocabulary.to_dict(),
        calibration=calibrate(network, strangers, vocabulary),
        licences={"detector": "Apache-2.0", "scorer": "Apache-2.0"},
        **read_settings("world"),
    )
    write_manifest(out, manifest)
    return manifest


def world_pairs(clips: Sequence[Path], *, with_unseen: bool = True) -> Pairs:
    """Persons and near things of all frames, with or without the pairs of zero-shot tests."""
    human, thing, classes, labels = [], [], [], []
    index = {name: i for i, name in enumerate(CLASSES[1:])}
    column = {name: v for v, name in enumerate(VERBS)}
    for clip in clips:
        for frame in read_clip(clip)[1]:
            seen = [i for i in frame.instances if i.occlusion <= HIDDEN]
            done = {(pair.human, pair.object): pair.verbs for pair in frame.pairs}
            for person in (i for i in seen if i.class_name == "person"):
                reach = _NEAR * (person.box[3] - person.box[1])
                for other in (i for i in seen if i.class_name != "person"):
                    verbs = done.get((person.id, other.id), ())
                    unseen = any((verb, other.class_name) in UNSEEN for verb in verbs)
                    if (unseen and not with_unseen) or _apart(person.box, other.box) > reach:
                        continue
                    row = np.zeros(len(VERBS), np.float32)
                    row[[column[verb] for verb in verbs]] = 1
                    human.append(person.box)
                    thing.append(other.box)
                    classes.append(index[other.class_name])
                    labels.append(row)
    return Pairs(
        np.array(human, np.float32),
        np.array(thing, np.float32),
        np.tile(np.array(RENDERED, np.float32), (len(human), 1)),
        np.array(classes, np.int64),
        np.array(labels, np.float32),
    )


def _apart(person: Sequence[float], thing: Sequence[float]) -> float:
    dx = max(0.0, person[0] - thing[2], thing[0] - person[2])
    dy = max(0.0, person[1] - thing[3], thing[1] - person[3])
    return float(np.hypot(dx, dy))
