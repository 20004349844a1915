"""`stream train world-boxes`: what boxes and classes alone tell in the world; the eyes' control."""

from collections.abc import Callable
from pathlib import Path

from models.bundle import BoxesSection, DetectorSection, Manifest, load_bundle, write_manifest
from models.datasets.world import SETTINGS, world_vocabulary
from models.training.boxes import SCORER_FILE, calibrate, fit, read_settings
from models.training.world import CLIPS, DETECTOR_FILE, split_clips
from models.training.world_frames import render_frames
from models.training.world_pairs import world_pairs
from models.world.truth import CLASSES

_EPOCHS = 12
_SETTING = "unseen_pairs"  # as the eyes: the same pairs are held out


def train_world_boxes(
    work: Path,
    out: Path,
    *,
    clips: int = CLIPS,
    seed: int = 0,
    on_clip: Callable[[int], None] = lambda _: None,
) -> Manifest:
    """Make the bundle in `out`, with the detector of the bundle `world`; `work` keeps frames."""
    paths = render_frames(work / "frames", clips, on_clip=on_clip)
    known, unknown = (world_pairs(some, SETTINGS[_SETTING]) for some in split_clips(paths))
    vocabulary = world_vocabulary()
    network = fit(known, vocabulary, seed=seed, epochs=_EPOCHS)
    calibration = calibrate(network, unknown, vocabulary)
    out.mkdir(parents=True, exist_ok=True)
    network.save(out / SCORER_FILE)
    detector = load_bundle("world").path(DETECTOR_FILE)
    (out / DETECTOR_FILE).write_bytes(detector.read_bytes())
    manifest = Manifest(
        name=out.name,
        version="2",
        description="The rendered world by classes and boxes alone. "
        "It knows nothing of real footage.",
        footage="world",
        detector=DetectorSection(file=DETECTOR_FILE, classes=CLASSES, threshold=0.1),
        scorer=BoxesSection(kind="boxes", file=SCORER_FILE),
        vocabulary=vocabulary.to_dict(),
        calibration=calibration,
        licences={"detector": "Apache-2.0", "scorer": "Apache-2.0"},
        **read_settings("world-boxes"),
    )
    write_manifest(out, manifest)
    return manifest
