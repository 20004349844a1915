"""The world's detector: targets, export, and a training that survives being killed."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from models.detector import OnnxDetector
from models.errors import ModelError
from models.heatmap_detector import HEIGHT, STRIDE, WIDTH, DetectorWithPeaks, HeatmapDetector
from models.heatmap_detector import export_onnx as export
from models.training import world_detector
from models.training.world_detector import BATCH, Progress, make_targets, train_world_detector
from models.training.world_frames import read_clip, render_frames
from models.world.truth import CLASSES, Instance


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return render_frames(tmp_path_factory.mktemp("frames"), 3, on_clip=lambda _: None)


def test_rendered_frames_are_kept_with_their_truth(clips: list[Path]) -> None:
    jpegs, truths = read_clip(clips[0])
    assert len(jpegs) == len(truths) >= 12
    assert all(truth.instances for truth in truths)
    before = clips[0].stat().st_mtime_ns
    assert render_frames(clips[0].parent, 3, on_clip=lambda _: None) == clips
    assert clips[0].stat().st_mtime_ns == before


def test_targets_stand_where_the_box_is() -> None:
    cup = Instance(1, "cup", (80.0, 40.0, 120.0, 80.0), 0.0, 0.0, "red")
    hidden = Instance(2, "ball", (200.0, 100.0, 240.0, 140.0), 0.9, 0.0, "red")
    boxes = np.array([cup.box, hidden.box])
    heat, distances, weight, counts = make_targets(boxes, [cup, hidden])
    row, column = 60 // STRIDE, 100 // STRIDE
    assert heat[CLASSES.index("cup"), row, column] == 1
    assert heat[CLASSES.index("ball")].max() == 0
    assert counts[CLASSES.index("ball"), 120 // STRIDE, 220 // STRIDE] == 0
    x, y = column + 0.5, row + 0.5
    expected = [x - 80 / STRIDE, y - 40 / STRIDE, 120 / STRIDE - x, 80 / STRIDE - y]
    assert distances[:, row, column] == pytest.approx(expected)
    assert weight.sum() == pytest.approx(1, abs=1e-4)


def test_the_exported_detector_is_the_trained_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = HeatmapDetector(len(CLASSES)).eval()
    export(network, tmp_path / "detector.onnx")
    images = torch.rand(2, 3, HEIGHT, WIDTH) * 255
    session = onnxruntime.InferenceSession(str(tmp_path / "detector.onnx"))
    boxes, scores, labels = session.run(None, {"images": images.numpy()})
    with torch.inference_mode():
        expected = DetectorWithPeaks(network).eval()(images)
    assert scores == pytest.approx(expected[1].numpy(), abs=1e-4)
    assert boxes.shape == (2, 60, 4)
    assert labels.max() < len(CLASSES)
    found = OnnxDetector(tmp_path / "detector.onnx", CLASSES, threshold=0.0).detect(
        [np.zeros((288, 384, 3), np.uint8)]
    )
    assert set(found[0].data["class_name"]) <= set(CLASSES)


def test_a_training_that_was_killed_ends_at_the_same_weights(
    clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world_detector, "_SAVE_EVERY", 2)

    class Killed(Exception):
        pass

    def die(progress: Progress) -> None:
        if progress.images == 3 * BATCH:
            raise Killed

    whole = train_world_detector(clips, tmp_path / "whole.pt", images=4 * BATCH)
    with pytest.raises(Killed):
        train_world_detector(clips, tmp_path / "killed.pt", images=4 * BATCH, on_step=die)
    steps: list[int] = []
    resumed = train_world_detector(
        clips,
        tmp_path / "killed.pt",
        images=4 * BATCH,
        on_step=lambda progress: steps.append(progress.images // BATCH),
    )
    assert steps == [3, 4]
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=1e-4, atol=1e-5)


def test_training_lowers_the_loss(clips: list[Path], tmp_path: Path) -> None:
    seen: list[float] = []
    train_world_detector(
        clips,
        tmp_path / "detector.pt",
        images=12 * BATCH,
        on_step=lambda progress: seen.append(progress.heat_loss),
    )
    assert np.mean(seen[-3:]) < 0.8 * np.mean(seen[:3])


def test_a_damaged_or_foreign_checkpoint_is_named(clips: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "detector.pt"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ModelError, match=r"detector\.pt is damaged"):
        train_world_detector(clips, path, images=BATCH)
    path.unlink()
    train_world_detector(clips, path, images=BATCH)
    with pytest.raises(ModelError, match="of another training"):
        train_world_detector(clips, path, images=2 * BATCH)
    with pytest.raises(ModelError, match="at least"):
        train_world_detector(clips, path, images=3)
