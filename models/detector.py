"""Detectors: pictures in, `supervision.Detections` out. ONNX Runtime or `transformers`.

Boxes are `xyxy` float32 in pixels of the picture, inside it; classes are named by
`data["class_name"]`. Nothing here tracks or knows time. Without a threshold all that a network
says is passed on as it says it, for those who choose themselves: weak boxes, boxes that overlap,
boxes that reach over the picture's edge.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt
import supervision as sv

from models import coco
from models.device import choose_device, half_of_the_processors
from models.errors import ModelError

Image = npt.NDArray[np.uint8]  # (H, W, 3) RGB
Floats = npt.NDArray[np.float32]
Found = tuple[Floats, Floats, npt.NDArray[np.int64]]  # boxes (N, 4), scores (N,), class ids (N,)

_NMS_IOU = 0.6
_MOST = 100  # detections a picture; more are weak ones of a crowd
_ALL = -1.0  # a threshold that lets everything through
_LETTERBOX_GREY = 114  # what YOLOX was trained with
_STRIDES = (8, 16, 32)


class Detector(Protocol):
    """Finds instances of its classes."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    def detect(self, images: Sequence[Image]) -> list[sv.Detections]:
        """One `Detections` for each picture; pictures may differ in size."""


def open_detector(
    spec: str,
    *,
    classes: Sequence[str] = coco.CLASSES,
    threshold: float | None = 0.1,
    threads: int | None = None,
) -> Detector:
    """A path that ends in `.onnx`, or the name or folder of a `transformers` model.

    `threshold`: None for all that the network says.
    `threads` of ONNX Runtime; None: half of the processors, for the stages around it work too.
    """
    if spec.endswith(".onnx"):
        return OnnxDetector(Path(spec), classes, threshold=threshold, threads=threads)
    return TransformersDetector(spec, threshold=threshold)


class OnnxDetector:
    """A detector in ONNX Runtime; how its tensors are meant is read off their names and shapes.

    - one input picture, one output (B, A, 5 + classes): raw YOLOX heads, BGR 0..255, letterboxed;
    - outputs `boxes` (B, K, 4) xyxy in network pixels, `scores` (B, K), `labels` (B, K): RGB,
      0..255, stretched to the network's size.
    """

    def __init__(
        self,
        path: Path,
        classes: Sequence[str],
        *,
        threshold: float | None = 0.1,
        threads: int | None = None,
    ) -> None:
        import onnxruntime

        if not path.is_file():
            raise ModelError(f"{path}: no such detector file")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or half_of_the_processors()
        # idle threads that spin would take the cores from decoding and from torch
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=onnxruntime.get_available_providers()
            )
        except Exception as error:  # onnxruntime raises a dozen unrelated classes
            raise ModelError(f"{path}: not a usable ONNX model ({_first_line(error)})") from error
        self._classes, self._raw = tuple(classes), threshold is None
        self._threshold = _ALL if threshold is None else threshold
        (picture, *rest) = self._session.get_inputs()
        self._input, shape = picture.name, picture.shape
        outputs = {output.name: output.shape for output in self._session.get_outputs()}
        if rest or len(shape) != 4 or not all(isinstance(side, int) for side in shape[2:]):
            raise ModelError(f"{path}: expected one input (B, 3, height, width), found {shape}")
        self._height, self._width = int(shape[2]), int(shape[3])
        self._fixed_batch = shape[0] if isinstance(shape[0], int) else None
        self._decode, self._prepare = self._choose(path, outputs)

    @property
    def classes(self) -> tuple[str, ...]:
        return self._classes

    def detect(self, images: Sequence[Image]) -> list[sv.Detections]:
        found: list[sv.Detections] = []
        step = self._fixed_batch or max(len(images), 1)
        for start in range(0, len(images), step):
            part = images[start : start + step]
            batch = np.zeros((step, 3, self._height, self._width), np.float32)
            for row, image in enumerate(part):
                batch[row] = self._prepare(image)
            outputs = self._session.run(
                None, {self._input: batch[: self._fixed_batch or len(part)]}
            )
            for row, image in enumerate(part):
                decoded = self._decode([output[row] for output in outputs], image.shape[:2])
                size = image.shape[:2]
                found.append(_detections(*decoded, size, self._classes, raw=self._raw))
        return found

    def _choose(
        self, path: Path, outputs: dict[str, Sequence[int | str]]
    ) -> tuple[Callable[..., Found], Callable[[Image], Floats]]:
        if {"boxes", "scores", "labels"} <= set(outputs):
            self._order = [list(outputs).index(name) for name in ("boxes", "scores", "labels")]
            return self._ready_boxes, self._stretch
        (shape,) = outputs.values() if len(outputs) == 1 else ((),)
        if len(shape) == 3 and shape[2] == 5 + len(self._classes):
            self._grid, self._stride = _grid(self._height, self._width)
            return self._yolox, self._letterbox
        raise ModelError(
            f"{path}: outputs {outputs} are neither boxes/scores/labels nor YOLOX heads "
            f"of {len(self._classes)} classes"
        )

    def _stretch(self, image: Image) -> Floats:
        resized = cv2.resize(image, (self._width, self._height), interpolation=cv2.INTER_AREA)
        return resized.transpose(2, 0, 1).astype(np.float32)

    def _letterbox(self, image: Image) -> Floats:
        height, width = image.shape[:2]
        scale = min(self._height / height, self._width / width)
        size = max(1, int(width * scale)), max(1, int(height * scale))
        canvas = np.full((self._height, self._width, 3), _LETTERBOX_GREY, np.uint8)
        canvas[: size[1], : size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        return canvas[..., ::-1].transpose(2, 0, 1).astype(np.float32)

    def _ready_boxes(self, outputs: Sequence[Floats], shape: tuple[int, int]) -> Found:
        boxes, scores, labels = (outputs[i] for i in self._order)
        kept = scores >= self._threshold
        scale = np.array([shape[1] / self._width, shape[0] / self._height] * 2, np.float32)
        return boxes[kept] * scale, scores[kept], labels[kept].astype(np.int64)

    def _yolox(self, outputs: Sequence[Floats], shape: tuple[int, int]) -> Found:
        (heads,) = outputs  # (A, 5 + classes)
        scores = heads[:, 4:5] * heads[:, 5:]
        labels = scores.argmax(1)
        best = scores[np.arange(len(scores)), labels]
        kept = best >= self._threshold
        heads, stride = heads[kept], self._stride[kept]
        centre = (heads[:, :2] + self._grid[kept]) * stride
        half = np.exp(np.minimum(heads[:, 2:4], 10)) * stride / 2
        scale = min(self._height / shape[0], self._width / shape[1])
        boxes = np.concatenate([centre - half, centre + half], 1) / np.float32(scale)
        return boxes.astype(np.float32), best[kept], labels[kept].astype(np.int64)


class TransformersDetector:
    """Any object detector of `transformers` (D-FINE, RT-DETR, RF-DETR, DETR) with COCO classes."""

    def __init__(self, name: str, *, threshold: float | None = 0.1) -> None:
        import torch
        from transformers import AutoConfig, AutoImageProcessor, AutoModelForObjectDetection

        try:
            AutoConfig.from_pretrained(name)  # first: it says soonest that there is no such model
            processor: Any = AutoImageProcessor
            self._processor = processor.from_pretrained(name)
            network: Any = AutoModelForObjectDetection.from_pretrained(
                name, use_safetensors=True, dtype=torch.float32
            )
        except (OSError, ValueError, ImportError) as error:
            raise ModelError(f"detector {name}: {_first_line(error)}") from error
        self._torch, self._device = torch, choose_device()
        self._network = network.eval().to(self._device)
        self._raw = threshold is None
        self._threshold = _ALL if threshold is None else threshold
        labels = network.config.id2label
        self._names = {int(i): _coco_name(str(label)) for i, label in labels.items()}
        self._classes = tuple(dict.fromkeys(self._names[i] for i in sorted(self._names)))

    @property
    def classes(self) -> tuple[str, ...]:
        return self._classes

    def detect(self, images: Sequence[Image]) -> list[sv.Detections]:
        if not images:
            return []
        if self._raw and len(images) > 1:  # the padding of a batch changes what a network says
            return [found for image in images for found in self.detect([image])]
        with self._torch.inference_mode():
            inputs = self._processor(images=list(images), return_tensors="pt").to(self._device)
            outputs = self._network(**inputs)
        sizes = [image.shape[:2] for image in images]
        results = self._processor.post_process_object_detection(
            outputs, threshold=self._threshold, target_sizes=sizes
        )
        found = []
        for result, image in zip(results, images, strict=True):
            ids = [self._classes.index(self._names[int(i)]) for i in result["labels"].cpu()]
            boxes = result["boxes"].float().cpu().numpy()
            scores = result["scores"].float().cpu().numpy()
            labels, size = np.array(ids, np.int64), image.shape[:2]
            found.append(_detections(boxes, scores, labels, size, self._classes, raw=self._raw))
        return found


def _detections(
    boxes: Floats,
    scores: Floats,
    labels: npt.NDArray[np.int64],
    shape: tuple[int, int],
    classes: tuple[str, ...],
    *,
    raw: bool,
) -> sv.Detections:
    """Clipped to the picture, without NaN and slivers, after NMS in each class.

    `raw`: only without NaN, and not more than the surest 400.
    """
    height, width = shape
    sound = np.isfinite(boxes).all(1) & np.isfinite(scores) & (labels >= 0)
    sound &= labels < len(classes)
    boxes = np.where(sound[:, None], boxes, 0)
    if not raw:
        boxes = np.clip(boxes, 0, [width, height, width, height])
        sound &= (boxes[:, 2] - boxes[:, 0] >= 1) & (boxes[:, 3] - boxes[:, 1] >= 1)
    rows = np.flatnonzero(sound)
    rows = rows[np.argsort(-scores[rows], kind="stable")][: 4 * _MOST]
    found = sv.Detections(
        xyxy=boxes[rows].astype(np.float32),
        confidence=scores[rows].astype(np.float32),
        class_id=labels[rows].astype(int),
        data={"class_name": np.array([classes[i] for i in labels[rows]], dtype=object)},
    )
    picked = found if raw else found.with_nms(threshold=_NMS_IOU)[:_MOST]
    assert isinstance(picked, sv.Detections)
    return picked


def _grid(height: int, width: int) -> tuple[Floats, Floats]:
    """Cell corners (A, 2) in cells and strides (A, 1) in pixels, in the order of YOLOX heads."""
    cells, strides = [], []
    for stride in _STRIDES:
        rows, columns = math.ceil(height / stride), math.ceil(width / stride)
        y, x = np.mgrid[:rows, :columns]
        cells.append(np.stack([x, y], -1).reshape(-1, 2))
        strides.append(np.full((rows * columns, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)


_OTHER_NAMES = {  # what some label files call a COCO class
    "motorbike": "motorcycle",
    "aeroplane": "airplane",
    "sofa": "couch",
    "pottedplant": "potted plant",
    "diningtable": "dining table",
    "tvmonitor": "tv",
    "hair dryer": "hair drier",
}


def _coco_name(label: str) -> str:
    name = label.strip().lower().replace("_", " ")
    return _OTHER_NAMES.get(name, name)


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:200]
