"""Detections of a data set are found once, kept on disk, and told apart by detector and data."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import supervision as sv

from models.bundle import load_bundle
from models.coco import CLASSES as COCO
from models.datasets import detections as store
from models.datasets.detections import DetectionCache, cache_folder
from models.datasets.examples import HOIDataset, Image
from models.datasets.images import SkippedImages
from models.datasets.open import open_dataset
from models.detector import Detector, open_detector
from models.errors import ModelError
from models.training.world_frames import render_frames
from models.world.truth import CLASSES

DETECTOR = load_bundle("world").path("detector.onnx")


class Counted:
    """The world's detector, and how many images it has seen."""

    def __init__(self) -> None:
        self._detector: Detector = open_detector(str(DETECTOR), classes=CLASSES)
        self.images = 0

    @property
    def classes(self) -> tuple[str, ...]:
        return self._detector.classes

    def detect(self, images: Sequence[Image]) -> list[sv.Detections]:
        self.images += len(images)
        return self._detector.detect(images)


class Spoiled:
    """A data set of which some images cannot be read."""

    def __init__(self, dataset: HOIDataset, bad: set[int]) -> None:
        self.vocabulary, self.keys, self.pairs = dataset.vocabulary, dataset.keys, dataset.pairs
        self._dataset, self._bad = dataset, bad

    def image(self, index: int) -> Image:
        if index in self._bad:
            raise ModelError(f"{self.keys[index]}: damaged image")
        return self._dataset.image(index)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> HOIDataset:
    folder = tmp_path_factory.mktemp("clips")
    render_frames(folder, 2, on_clip=lambda _: None)
    return open_dataset(f"world:{folder}", split="train")


def test_detections_come_back_from_disk_as_the_detector_gave_them(
    frames: HOIDataset, tmp_path: Path
) -> None:
    detector, told = Counted(), list[int]()
    first = DetectionCache(tmp_path / "kept", lambda: detector)
    first.fill(frames, SkippedImages(), on_image=told.append)
    assert detector.images == len(frames.keys) == told[-1]

    def no_detector() -> Detector:
        raise AssertionError("everything is on disk")

    again = DetectionCache(tmp_path / "kept", no_detector)
    again.fill(frames, SkippedImages())
    for index, key in enumerate(frames.keys):
        (fresh,) = detector.detect([frames.image(index)])
        assert np.allclose(again[key].xyxy, fresh.xyxy, atol=1e-3)
        assert again[key].confidence == pytest.approx(fresh.confidence, abs=1e-5)
        assert list(again[key].data["class_name"]) == list(fresh.data["class_name"])
    assert sum(len(again[key]) for key in frames.keys) > 20


def test_a_run_that_was_cut_off_goes_on(
    frames: HOIDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_SHARD", 8)
    detector = Counted()

    def killed(done: int) -> None:
        if done == 16:
            raise KeyboardInterrupt

    cache = DetectionCache(tmp_path, lambda: detector)
    with pytest.raises(KeyboardInterrupt):
        cache.fill(frames, SkippedImages(), on_image=killed)
    assert detector.images == 16  # the first eight are on disk, the second eight were lost
    DetectionCache(tmp_path, lambda: detector).fill(frames, SkippedImages())
    assert detector.images == 16 + len(frames.keys) - 8


def test_unreadable_images_are_skipped_and_tried_again_by_the_next_run(
    frames: HOIDataset, tmp_path: Path
) -> None:
    skipped, detector = SkippedImages(), Counted()
    DetectionCache(tmp_path, lambda: detector).fill(Spoiled(frames, {0, 3}), skipped)
    assert set(skipped.reasons) == {frames.keys[0], frames.keys[3]}
    assert detector.images == len(frames.keys) - 2
    mended = DetectionCache(tmp_path, lambda: detector)
    assert frames.keys[3] not in mended
    mended.fill(frames, SkippedImages())
    assert detector.images == len(frames.keys)
    assert frames.keys[3] in mended


def test_a_damaged_shard_is_detected_again(
    frames: HOIDataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    detector = Counted()
    DetectionCache(tmp_path, lambda: detector).fill(frames, SkippedImages())
    (shard,) = tmp_path.glob("*.npz")
    shard.write_bytes(shard.read_bytes()[:-200])
    cache = DetectionCache(tmp_path, lambda: detector)
    assert f"{shard}: damaged" in caplog.text
    cache.fill(frames, SkippedImages())
    assert detector.images == 2 * len(frames.keys)


def test_folders_differ_by_detector_content_threshold_classes_data_and_split(
    tmp_path: Path,
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    first = shutil.copy(DETECTOR, tmp_path / "a.onnx")
    same = shutil.copy(DETECTOR, tmp_path / "b.onnx")
    (tmp_path / "c.onnx").write_bytes(DETECTOR.read_bytes() + b"0")
    data = f"coco:{tmp_path / 'one'}"
    kept = cache_folder(data, "train", str(first), 0.1, None)
    assert cache_folder(data, "train", str(same), 0.1, None) == kept
    assert cache_folder(data, "train", str(first), 0.1, COCO) == kept
    others = {
        cache_folder(data, "test", str(first), 0.1, None),
        cache_folder(data, "train", str(first), 0.2, None),
        cache_folder(data, "train", str(first), 0.1, ("person", "ball")),
        cache_folder(data, "train", str(tmp_path / "c.onnx"), 0.1, None),
        cache_folder(f"coco:{tmp_path / 'two'}", "train", str(first), 0.1, None),
        cache_folder(data, "train", "ustc-community/dfine-small-coco", 0.1, None),
    }
    assert len(others | {kept}) == 7
