"""The boxes that CMMP chooses its instances from: all that a detector says (spec 1.2 and 1.3).

A stream's detector has dropped weak, overlapping and small boxes before anybody sees them; here
nothing is dropped, cut off or merged, for the weakest of three may count.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import supervision as sv
import torch
from PIL import Image as PillowImage
from safetensors import SafetensorError
from torch import Tensor
from transformers import DetrForObjectDetection

from models import coco
from models.cmmp.instances import read_detr
from models.cmmp.preprocess import normalise, resize_for_detector
from models.detector import Detector, Image, open_detector
from models.device import choose_device
from models.errors import ModelError


def open_candidates(spec: str, classes: Sequence[str]) -> Detector:
    """A DETR of CMMP's authors as they run it; any other detector as `open_detector` finds it."""
    folder = Path(spec)
    if _is_official(folder):
        return OfficialDetr(folder)
    return open_detector(spec, classes=classes, threshold=None)


class OfficialDetr:
    """The DETR of an imported bundle, one picture at a time, as the published numbers were made."""

    classes = coco.CLASSES

    def __init__(self, folder: Path) -> None:
        try:
            network: Any = DetrForObjectDetection.from_pretrained(
                folder, use_safetensors=True, dtype=torch.float32
            )
        except (OSError, ValueError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"detector {folder}: {reason}") from error
        self._device = choose_device()
        self._network = network.eval().to(self._device)

    def detect(self, images: Sequence[Image]) -> list[sv.Detections]:
        """All 100 boxes of each picture, by query; they may reach over its edge."""
        return [self._look(PillowImage.fromarray(image)) for image in images]

    @torch.inference_mode()
    def _look(self, image: PillowImage.Image) -> sv.Detections:
        pixels: Tensor = normalise(resize_for_detector(image))[None].to(self._device)
        said = self._network(pixels)
        found = read_detr(said.logits[0], said.pred_boxes[0], 1)  # in shares of the picture
        labels = found.labels.cpu().numpy()
        sides = np.array([image.width, image.height] * 2, np.float32)
        return sv.Detections(
            found.boxes.cpu().numpy() * sides,
            confidence=found.scores.cpu().numpy(),
            class_id=labels,
            data={"class_name": np.array([self.classes[label] for label in labels], object)},
        )


def _is_official(folder: Path) -> bool:
    """Whether it holds a DETR with COCO's 80 classes in their order, as `convert_detr` makes it."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        labels = config["id2label"]
        names = [labels.get(str(label)) for label in range(len(labels))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return config.get("model_type") == "detr" and names == list(coco.CLASSES)
