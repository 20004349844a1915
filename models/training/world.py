"""`stream train world`: frames, detector, CLIP and CMMP of the `world` bundle, from nothing."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from models.bundle import CMMPSection, DetectorSection, Manifest, write_manifest
from models.cmmp.network import CMMP
from models.cmmp.weights import save_cmmp
from models.datasets.world import SETTINGS, world_vocabulary
from models.heatmap_detector import export_onnx
from models.training.boxes import read_settings
from models.training.world_clip import train_world_clip
from models.training.world_cmmp import WorldPlan, calibrate_world, train_world_cmmp
from models.training.world_detector import train_world_detector
from models.training.world_frames import render_frames
from models.training.world_pairs import world_pairs
from models.world.truth import CLASSES

DETECTOR_FILE, CLIP_FILE, CMMP_FILE = "detector.onnx", "clip.safetensors", "cmmp.safetensors"

CLIPS = 3000
_BATCH = 32  # of CMMP
_CALIBRATION_CLIPS = 100  # the last ones; no scorer trains on them

OnProgress = Callable[[str, int, int], None]  # what is trained, how far, of how much


@dataclass(frozen=True)
class Budget:
    """Images that each part sees; steps of the term of boxes, which sees none."""

    detector: int = 140_000
    clip: int = 224_000
    cmmp: int = 57_600
    boxes: int = 2_000


def train_world(
    work: Path,
    out: Path,
    *,
    budget: Budget,
    clips: int = CLIPS,
    seed: int = 0,
    on_clip: Callable[[int], None] = lambda _: None,
    on_progress: OnProgress = lambda *_: None,
) -> Manifest:
    """Make the bundle in `out`; `work` keeps frames and checkpoints, so that it can go on."""
    paths = render_frames(work / "frames", clips, on_clip=on_clip)
    out.mkdir(parents=True, exist_ok=True)
    network = train_world_detector(
        paths,
        work / "detector.pt",
        images=budget.detector,
        seed=seed,
        on_step=lambda now: on_progress("detector", now.images, now.budget),
    )
    export_onnx(network, out / DETECTOR_FILE)
    return train_eyes(paths, work, out, budget=budget, seed=seed, on_progress=on_progress)


def train_eyes(
    clips: Sequence[Path],
    work: Path,
    out: Path,
    *,
    budget: Budget,
    seed: int = 0,
    on_progress: OnProgress = lambda *_: None,
) -> Manifest:
    """CLIP and CMMP beside the exported detector in `out`, and the manifest."""
    known, unknown = split_clips(clips)
    clip = train_world_clip(
        known,
        out / DETECTOR_FILE,
        work / "clip.pt",
        images=budget.clip,
        seed=seed,
        on_step=lambda now: on_progress("CLIP", now.images, now.budget),
    )
    plan = WorldPlan(budget.cmmp, budget.boxes, _BATCH, seed)
    model = train_world_cmmp(
        clip,
        known,
        world_pairs(known, SETTINGS[plan.setting]),
        work / "cmmp.pt",
        plan,
        on_step=lambda now: on_progress("CMMP", now.step, now.steps),
    )
    return finish_bundle(model, unknown, out)


def split_clips(clips: Sequence[Path]) -> tuple[Sequence[Path], Sequence[Path]]:
    """Those to train on, and the last ones, to calibrate on."""
    held_out = max(1, min(_CALIBRATION_CLIPS, len(clips) // 5))
    return clips[:-held_out], clips[-held_out:]


def finish_bundle(model: CMMP, calibration_clips: Sequence[Path], out: Path) -> Manifest:
    """Weights in 16 bits, calibrated as they are stored, and the manifest."""
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(weight.half())
    model.encode_texts()
    sizes = asdict(model.config)
    section = CMMPSection(kind="cmmp", file=CMMP_FILE, clip=CLIP_FILE, sizes=sizes)
    save_cmmp(model, section, out, half=True)
    manifest = Manifest(
        name=out.name,
        version="2",
        description="A rendered world of people and things. It knows nothing of real footage.",
        footage="world",
        detector=DetectorSection(file=DETECTOR_FILE, classes=CLASSES, threshold=0.1),
        scorer=section,
        vocabulary=world_vocabulary().to_dict(),
        calibration=dict(calibrate_world(model, calibration_clips)),
        licences={"detector": "Apache-2.0", "scorer": "Apache-2.0"},
        **read_settings("world"),
    )
    write_manifest(out, manifest)
    return manifest
