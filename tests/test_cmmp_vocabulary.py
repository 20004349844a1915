"""A CMMP in a vocabulary of its own, with and without the term of boxes alone."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.bundle import CMMPSection
from models.cmmp.instances import Instances
from models.cmmp.network import CMMP, CMMPConfig
from models.cmmp.weights import class_names, load_cmmp, save_cmmp, vocabulary_sentences
from models.datasets.world import world_vocabulary
from models.errors import ModelError
from models.pairs import pair_features

WORLD = world_vocabulary()
TINY = CMMPConfig(
    image_size=64,
    patch=16,
    width=64,
    layers=2,
    text_width=64,
    text_layers=1,
    dim=24,
    verbs=len(WORLD.verbs),
    geometry=12,
)
BOXES = torch.tensor([[5.0, 5, 30, 60], [20, 30, 30, 40], [10, 50, 40, 60]])


def make(config: CMMPConfig) -> CMMP:
    torch.manual_seed(0)
    model = CMMP(config, vocabulary_sentences(WORLD)).eval()
    if model.geometry is not None:  # as if trained
        torch.nn.init.normal_(model.geometry.body.layers[-1].get_parameter("weight"))
        model.geometry.fit(torch.randn(50, 16))
    model.encode_texts()
    return model


def instances() -> Instances:
    labels = torch.tensor([0, 1 + WORLD.objects.index("box"), 1 + WORLD.objects.index("chair")])
    return Instances(BOXES, torch.tensor([0.9, 0.8, 0.7]), labels)


@torch.inference_mode()
def test_the_world_s_verbs_are_allowed_for_its_things_alone() -> None:
    model = make(TINY)
    assert model.embeddings.shape == (15, TINY.dim)
    assert model.prototypes.shape == (15, TINY.dim)
    (pairs,) = model(torch.zeros(1, 3, 64, 64), [instances()])
    box, chair = (pairs.prior[row] > 0 for row in (0, 1))
    rows = [WORLD.objects.index(name) for name in class_names(WORLD)[1:]]
    assert torch.equal(box, torch.from_numpy(WORLD.validity)[rows][instances().labels[1] - 1])
    assert not chair[WORLD.verb_names.index("kick")]


@torch.inference_mode()
def test_a_saved_one_comes_back_with_its_texts_and_its_term(tmp_path: Path) -> None:
    model = make(TINY)
    section = CMMPSection(kind="cmmp", file="own.safetensors", clip="clip.safetensors")
    section = section.model_copy(update={"sizes": asdict(TINY)})
    save_cmmp(model, section, tmp_path)
    loaded = load_cmmp(section, tmp_path, WORLD)
    image = torch.rand(1, 3, 64, 64)
    (before,), (after,) = model(image, [instances()]), loaded(image, [instances()])
    assert torch.equal(before.logits, after.logits)
    assert torch.equal(before.prior, after.prior)


@torch.inference_mode()
def test_the_term_of_boxes_is_linear_in_the_text() -> None:
    model, image = make(TINY), torch.rand(1, 3, 64, 64)
    (pairs,) = model(image, [instances()])
    first, second = torch.randn(2, TINY.dim), torch.randn(2, TINY.dim)
    model.prototypes = torch.cat([first + 2 * second, first, second])
    logits = pairs.vectors @ model.prototypes.T  # of texts that came later
    torch.testing.assert_close(logits[:, :2], logits[:, 2:4] + 2 * logits[:, 4:])
    (again,) = model(image, [instances()])
    torch.testing.assert_close(again.logits, logits)


@torch.inference_mode()
def test_the_term_sees_boxes_and_classes_alone() -> None:
    model = make(TINY)
    bare = make(replace(TINY, geometry=0))
    bare.load_state_dict(model.state_dict(), strict=False)
    terms = []
    for image in (torch.zeros(1, 3, 64, 64), torch.rand(1, 3, 64, 64)):
        (with_,), (without,) = model(image, [instances()]), bare(image, [instances()])
        terms.append(with_.vectors - without.vectors)
    torch.testing.assert_close(terms[0], terms[1], atol=1e-5, rtol=0)
    other = replace(instances(), labels=torch.tensor([0, 2, 3]))
    (changed,), (without,) = model(image, [other]), bare(image, [other])
    assert (changed.vectors - without.vectors - terms[0]).abs().max() > 1e-2


def test_the_term_is_given_the_features_of_the_box_scorer() -> None:
    model = make(TINY)
    assert model.geometry is not None
    boxes, size = BOXES.numpy(), np.array([64, 64], np.float32)
    features = torch.from_numpy(pair_features(boxes[[0]], boxes[[1]], size))
    scaled = (features - model.geometry.mean) / model.geometry.std
    expected = model.geometry.body(torch.cat([scaled, model.embeddings[[4]]], 1))
    given = model.geometry(BOXES[[0]], BOXES[[1]], model.embeddings[[4]], 64)
    torch.testing.assert_close(given, expected)


def test_a_network_starts_as_one_without_the_term() -> None:
    fresh = CMMP(TINY, vocabulary_sentences(WORLD))
    assert fresh.geometry is not None
    assert not fresh.geometry(BOXES[[0]], BOXES[[1]], torch.randn(1, TINY.dim), 64).any()


def test_sentences_and_sizes_must_agree() -> None:
    with pytest.raises(ModelError, match="117 verbs but 15 sentences"):
        CMMP(replace(TINY, verbs=117), vocabulary_sentences(WORLD))
