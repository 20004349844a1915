"""How well a detector finds the world's instances: mAP with `supervision`'s COCO metric.

What is hidden by more than three quarters is neither asked for nor punished.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import supervision as sv
from supervision.metrics import MeanAveragePrecision

from models.evaluation.events import box_iou
from models.world.truth import CLASSES, FrameTruth

HIDDEN = 0.75  # share of an instance that others cover
_MATCH = 0.5  # IoU


@dataclass(frozen=True)
class DetectionReport:
    """Mean average precision over classes, and AP at IoU 0.5 of each."""

    map50: float
    map50_95: float
    per_class: dict[str, float]


def evaluate_detections(
    found: Sequence[sv.Detections], frames: Sequence[FrameTruth]
) -> DetectionReport:
    """Detections (class ids index `CLASSES`) against the truth of the same frames."""
    metric = MeanAveragePrecision()
    metric.update(
        [_without_hidden(one, frame) for one, frame in zip(found, frames, strict=True)],
        [_visible(frame) for frame in frames],
    )
    result = metric.compute()
    classes = [CLASSES[int(i)] for i in result.matched_classes]
    aps = [float(ap) for ap in result.ap_per_class[:, 0]]
    per_class = dict(zip(classes, aps, strict=True))
    return DetectionReport(float(result.map50), float(result.map50_95), per_class)


def _visible(frame: FrameTruth) -> sv.Detections:
    seen = [i for i in frame.instances if i.occlusion <= HIDDEN]
    return sv.Detections(
        xyxy=np.array([i.box for i in seen], np.float32).reshape(-1, 4),
        class_id=np.array([CLASSES.index(i.class_name) for i in seen], int),
    )


def _without_hidden(found: sv.Detections, frame: FrameTruth) -> sv.Detections:
    """The detections less those that fit a hidden instance and no visible one."""
    hidden = [i for i in frame.instances if i.occlusion > HIDDEN]
    if not hidden or not len(found) or found.class_id is None:
        return found
    boxes = np.array([i.box for i in hidden], np.float32)
    classes = np.array([CLASSES.index(i.class_name) for i in hidden])
    visible = _visible(frame)
    assert visible.class_id is not None
    fits = [
        ((box_iou(found.xyxy.astype(np.float32), others) >= _MATCH) & same).any(1)
        for others, same in (
            (boxes, found.class_id[:, None] == classes[None]),
            (visible.xyxy.astype(np.float32), found.class_id[:, None] == visible.class_id[None]),
        )
    ]
    kept = found[~fits[0] | fits[1]]
    assert isinstance(kept, sv.Detections)
    return kept
