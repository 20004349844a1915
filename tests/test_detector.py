"""Detectors of every format give clipped, finite, named boxes in pixels of the picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import supervision as sv
from onnx import TensorProto, helper, numpy_helper

from models import coco
from models.detector import OnnxDetector, open_detector
from models.errors import ModelError

Image = npt.NDArray[np.uint8]
SHARED = Path(__file__).parents[2] / "shared" / "data"
CLASSES = ("person", "cup")
PLAIN = (200, 200, 200)


def picture(height: int, width: int, colour: Sequence[int] = PLAIN) -> Image:
    return np.full((height, width, 3), colour, np.uint8)


def write(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    shapes: tuple[list[int | str], dict[str, tuple[int, list[int | str]]]],
    constants: dict[str, npt.NDArray[np.generic]],
) -> Path:
    taken, given = shapes
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, taken)],
        [helper.make_tensor_value_info(name, *info) for name, info in given.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def ready_boxes(path: Path, boxes: npt.NDArray[np.float32], labels: Sequence[int]) -> Path:
    """Post-processed, input 24x32, any batch: every score is the picture's mean over 255."""
    count = len(labels)
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Div", ["mean", "white"], ["level"]),
        helper.make_node("Unsqueeze", ["level", "last"], ["column"]),
        helper.make_node("Mul", ["column", "ones"], ["scores"]),
        helper.make_node("Unsqueeze", ["scores", "end"], ["wide"]),
        helper.make_node("Mul", ["wide", "nil"], ["zero"]),
        helper.make_node("Add", ["zero", "fixed"], ["boxes"]),
        helper.make_node("Mul", ["scores", "nil"], ["none"]),
        helper.make_node("Add", ["none", "kinds"], ["named"]),
        helper.make_node("Cast", ["named"], ["labels"], to=TensorProto.INT64),
    ]
    given: dict[str, tuple[int, list[int | str]]] = {
        "labels": (TensorProto.INT64, ["B", count]),  # the order of outputs means nothing
        "boxes": (TensorProto.FLOAT, ["B", count, 4]),
        "scores": (TensorProto.FLOAT, ["B", count]),
    }
    constants: dict[str, npt.NDArray[np.generic]] = {
        "white": np.array(255, np.float32),
        "last": np.array([1], np.int64),
        "end": np.array([2], np.int64),
        "ones": np.ones((1, count), np.float32),
        "nil": np.array(0, np.float32),
        "fixed": boxes[None],
        "kinds": np.array([labels], np.float32),
    }
    return write(path, nodes, (["B", 3, 24, 32], given), constants)


def yolox(path: Path, batch: int | str = 1) -> Path:
    """Raw heads of 32x64: cell (3, 1) of stride 8 is a `person` as sure as channel 0 is bright."""
    cells = 4 * 8 + 2 * 4 + 1 * 2
    heads = np.zeros((1, cells, 5 + len(CLASSES)), np.float32)
    heads[0, 1 * 8 + 3, :5] = (0.5, 0.5, np.log(2), np.log(1), 1)  # 16x8 around (28, 12)
    mask = np.zeros_like(heads)
    mask[0, 1 * 8 + 3, 5] = 1 / 255
    nodes = [
        helper.make_node("Gather", ["images", "first"], ["blue"], axis=1),
        helper.make_node("ReduceMax", ["blue"], ["top"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["top", "axes"], ["level"]),
        helper.make_node("Mul", ["level", "mask"], ["sure"]),
        helper.make_node("Add", ["sure", "heads"], ["output"]),
    ]
    given: dict[str, tuple[int, list[int | str]]] = {
        "output": (TensorProto.FLOAT, [batch, cells, 5 + len(CLASSES)])
    }
    constants: dict[str, npt.NDArray[np.generic]] = {
        "first": np.array([0], np.int64),
        "axes": np.array([1, 2], np.int64),
        "mask": mask,
        "heads": heads,
    }
    return write(path, nodes, ([batch, 3, 32, 64], given), constants)


def confidence(found: sv.Detections) -> list[float]:
    assert found.confidence is not None
    return [float(score) for score in found.confidence]


def class_ids(found: sv.Detections) -> list[int]:
    assert found.class_id is not None
    return [int(i) for i in found.class_id]


def names(found: sv.Detections) -> list[str]:
    return [str(name) for name in found.data["class_name"]]


def test_ready_boxes_are_scaled_to_each_picture_and_keep_their_rows(tmp_path: Path) -> None:
    boxes = np.array([[8, 6, 16, 18], [0, 0, 4, 4]], np.float32)
    detector = OnnxDetector(ready_boxes(tmp_path / "d.onnx", boxes, [1, 0]), CLASSES, threads=1)
    bright, dark, tall = detector.detect(
        [picture(48, 64), picture(48, 64, (9, 9, 9)), picture(96, 32)]
    )
    assert names(bright) == ["cup", "person"]
    assert class_ids(bright) == [1, 0]
    np.testing.assert_allclose(bright.xyxy[0], [16, 12, 32, 36])
    assert confidence(bright) == pytest.approx([200 / 255] * 2, rel=1e-5)
    assert len(dark) == 0
    np.testing.assert_allclose(tall.xyxy[0], [8, 24, 16, 72])


def test_broken_boxes_are_dropped_and_the_others_clipped(tmp_path: Path) -> None:
    boxes = np.array(
        [
            [np.nan, 0, 9, 9],
            [0, 0, np.inf, 9],
            [5, 5, 5, 9],  # no width
            [9, 9, 3, 3],  # inside out
            [40, 30, 50, 40],  # beside the picture
            [1, 1, 9, 9],  # a class that is not there
            [-9, -9, 99, 99],
        ],
        np.float32,
    )
    path = ready_boxes(tmp_path / "d.onnx", boxes, [0, 0, 0, 0, 0, 7, 1])
    (found,) = OnnxDetector(path, CLASSES, threads=1).detect([picture(24, 32)])
    assert names(found) == ["cup"]
    assert found.xyxy.tolist() == [[0, 0, 32, 24]]
    assert found.xyxy.dtype == np.float32


def test_overlapping_boxes_are_merged_within_a_class_only(tmp_path: Path) -> None:
    boxes = np.array([[2, 2, 20, 20], [2, 2, 20, 21], [2, 2, 20, 20]], np.float32)
    path = ready_boxes(tmp_path / "d.onnx", boxes, [0, 0, 1])
    (found,) = OnnxDetector(path, CLASSES, threads=1).detect([picture(24, 32)])
    assert sorted(names(found)) == ["cup", "person"]


def test_without_a_threshold_all_that_the_network_says_is_passed_on(tmp_path: Path) -> None:
    boxes = np.array([[2, 2, 20, 20], [2, 2, 20, 21], [-9, -9, 99, 99], [0, 0, 9, np.nan]])
    path = ready_boxes(tmp_path / "d.onnx", boxes.astype(np.float32), [0, 0, 1, 0])
    detector = open_detector(str(path), classes=CLASSES, threshold=None)
    (found,) = detector.detect([picture(48, 64, (2, 2, 2))])
    assert found.xyxy.tolist() == [[4, 4, 40, 40], [4, 4, 40, 42], [-18, -18, 198, 198]]
    assert names(found) == ["person", "person", "cup"]
    assert confidence(found) == pytest.approx([2 / 255] * 3, rel=1e-5)


@pytest.mark.parametrize("batch", [1, "B"])
def test_yolox_sees_blue_first_and_undoes_the_letterbox(tmp_path: Path, batch: int | str) -> None:
    detector = OnnxDetector(yolox(tmp_path / "y.onnx", batch), CLASSES, threshold=0.5, threads=1)
    blue, red, large = detector.detect(
        [picture(32, 64, (0, 0, 255)), picture(32, 64, (255, 0, 0)), picture(64, 128)]
    )
    assert names(blue) == ["person"]
    np.testing.assert_allclose(blue.xyxy, [[20, 8, 36, 16]], atol=1e-3)
    assert len(red) == 0
    np.testing.assert_allclose(large.xyxy, [[40, 16, 72, 32]], atol=1e-3)


def test_yolox_pads_with_grey_at_the_right_and_below(tmp_path: Path) -> None:
    detector = OnnxDetector(yolox(tmp_path / "y.onnx"), CLASSES, threshold=0.4, threads=1)
    (found,) = detector.detect([picture(32, 40, (255, 0, 0))])  # the picture itself has no blue
    assert confidence(found) == pytest.approx([114 / 255], rel=1e-5)
    np.testing.assert_allclose(found.xyxy, [[20, 8, 36, 16]], atol=1e-3)


def test_no_pictures_no_detections(tmp_path: Path) -> None:
    assert OnnxDetector(yolox(tmp_path / "y.onnx"), CLASSES, threads=1).detect([]) == []


def test_a_file_that_is_no_detector_is_refused_in_one_line(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.onnx"
    garbage.write_bytes(b"nothing")
    for spec in (str(garbage), str(tmp_path / "missing.onnx"), str(tmp_path)):
        with pytest.raises(ModelError) as refused:
            open_detector(spec)
        assert "\n" not in str(refused.value)
    with pytest.raises(ModelError, match="neither boxes/scores/labels nor YOLOX heads of 80"):
        open_detector(str(yolox(tmp_path / "y.onnx")))


def test_yolox_nano_finds_people_in_photographs() -> None:
    weights = SHARED / "detectors" / "yolox_nano_416.onnx"
    if not weights.is_file():
        pytest.skip("no ../shared/data")
    from PIL import Image as Pillow

    paths = sorted((SHARED / "images").glob("*.jpg"))[:3]
    pictures = [np.asarray(Pillow.open(path).convert("RGB")) for path in paths]
    detector = open_detector(str(weights), threshold=0.3)
    assert detector.classes == coco.CLASSES
    for found, image in zip(detector.detect(pictures), pictures, strict=True):
        assert "person" in names(found)
        height, width = image.shape[:2]
        assert (found.xyxy >= 0).all()
        assert (found.xyxy <= [width, height, width, height]).all()


def test_transformers_detector_speaks_coco(tmp_path: Path) -> None:
    import torch
    from transformers import YolosConfig, YolosForObjectDetection, YolosImageProcessor

    labels = {0: "N/A", 1: "person", 2: "Cup", 3: "tvmonitor"}
    torch.manual_seed(0)
    config = YolosConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=[32, 48],
        patch_size=16,
        num_detection_tokens=5,
        id2label=labels,
        label2id={name: i for i, name in labels.items()},
    )
    YolosForObjectDetection(config).save_pretrained(tmp_path)
    YolosImageProcessor(size={"height": 32, "width": 48}).save_pretrained(tmp_path)
    detector = open_detector(str(tmp_path), threshold=0.01)
    assert detector.classes == ("n/a", "person", "cup", "tv")
    pictures = [picture(40, 60, (0, 0, 0)), picture(90, 50)]
    for found, image in zip(detector.detect(pictures), pictures, strict=True):
        assert len(found)
        assert names(found) == [detector.classes[i] for i in class_ids(found)]
        assert (found.xyxy <= [image.shape[1], image.shape[0]] * 2).all()
    assert detector.detect([]) == []
