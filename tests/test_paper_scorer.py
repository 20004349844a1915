"""The paper's way of scoring an image, against the network asked directly."""

import numpy as np
import pytest
import supervision as sv
import torch
from PIL import Image

from models.cmmp.instances import Instances, choose_instances
from models.cmmp.network import CMMP, CMMPConfig
from models.cmmp.preprocess import prepare_image
from models.coco import CLASSES
from models.datasets.hico_facts import hico_vocabulary
from models.evaluation.paper import PaperScorer

TINY = CMMPConfig(image_size=64, patch=16, width=64, layers=2, text_width=64, text_layers=1, dim=24)


@pytest.fixture(scope="module")
def model() -> CMMP:
    torch.manual_seed(1)
    model = CMMP(TINY).eval()
    model.encode_texts()
    return model


def test_scores_are_the_network_s_for_all_pairs_and_all_600_interactions(model: CMMP) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (120, 160, 3), np.uint8)
    corners = rng.uniform(0, 80, (9, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(20, 40, (9, 2))], 1).astype(np.float32)
    labels = np.array([0, 2, 0, 56, 41, 0, 0, 63, 9])
    scores = rng.uniform(0.05, 1, 9).astype(np.float32)
    names = np.array([CLASSES[label] for label in labels], object)
    found = sv.Detections(boxes, confidence=scores, data={"class_name": names})

    (mine,) = PaperScorer(model, hico_vocabulary(), hico_vocabulary()).score([image], [found])

    scale = torch.tensor([64 / 160, 64 / 120] * 2)
    instances = choose_instances(
        Instances(torch.from_numpy(boxes) * scale, torch.from_numpy(scores), torch.tensor(labels))
    )
    with torch.inference_mode():
        (pairs,) = model(prepare_image(Image.fromarray(image), 64)[1][None], [instances])
    official = pairs.scores()
    prior = (scores[mine.human] * scores[mine.object]) ** 2.8
    cells = np.isfinite(mine.evidence)
    probability = 1 / (1 + np.exp(-mine.evidence))
    assert np.allclose((probability * prior[:, None])[cells], official.scores.numpy(), atol=1e-6)
    assert (labels[mine.object] == 0).any()  # two people are a pair, too
    nothing = hico_vocabulary().verb_names.index("no interaction")
    assert cells[:, nothing].all()


def test_an_image_without_pairs_has_no_scores(model: CMMP) -> None:
    image = np.zeros((50, 50, 3), np.uint8)
    scorer = PaperScorer(model, hico_vocabulary(), hico_vocabulary())
    nobody = sv.Detections(
        np.array([[1, 1, 20, 20]], np.float32),
        confidence=np.ones(1, np.float32),
        data={"class_name": np.array(["cup"], object)},
    )
    (scores,) = scorer.score([image], [nobody])
    assert scores.evidence.shape == (0, 117)
    assert scorer.score([], []) == []
