"""CMMP's training signal: by hand, and against numbers of the official classes."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.cmmp.checkpoint import official_name
from models.cmmp.instances import Instances, pair_indices
from models.cmmp.prompts import load_sentences
from models.training.cmmp_losses import (
    PairTruth,
    interaction_loss,
    label_pairs,
    language_loss,
    reference_prototypes,
)
from tests.test_cmmp_parity import FIXTURES, load_fixture


def test_the_interaction_loss_of_two_cells_by_hand() -> None:
    # Cell 1: prior 0.5, logit 0, true: 0.5 * 0.5 = 0.25 is what it says.
    # Cell 2: prior 1, logit 0, false: it says 0.5. Cell 3 has no prior and counts nothing.
    logits = torch.tensor([[0.0, 0.0, 9.0]])
    prior = torch.tensor([[0.5, 1.0, 0.0]])
    labels = torch.tensor([[1.0, 0.0, 1.0]])
    true = 0.5 * 0.75**0.2 * -math.log(0.25)
    false = 0.5 * 0.5**0.2 * -math.log(0.5)
    loss = interaction_loss(logits, prior, labels)
    assert float(loss) == pytest.approx(true + false, rel=1e-4)
    assert float(interaction_loss(logits, prior, labels, 4)) == pytest.approx(float(loss) / 4)


@given(st.floats(-30, 30), st.floats(1e-4, 1.0), st.booleans())
def test_the_interaction_loss_is_finite_and_pulls_towards_the_label(
    logit: float, score: float, label: bool
) -> None:
    logits = torch.tensor([[logit]], requires_grad=True)
    loss = interaction_loss(logits, torch.tensor([[score]]), torch.tensor([[float(label)]]))
    torch.autograd.backward(loss)
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert float(logits.grad) * (-1 if label else 1) >= 0


def test_no_positive_cell_gives_next_to_no_loss() -> None:
    loss = interaction_loss(torch.ones(2, 2), torch.full((2, 2), 0.5), torch.zeros(2, 2))
    assert 0 < float(loss) < 1e-6


def test_pairs_are_labelled_where_both_boxes_fit() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10], [0, 0, 4, 10]])
    instances = Instances(boxes, torch.ones(3), torch.tensor([0, 0, 39]))
    truth = PairTruth(
        torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10], [0, 0, 10, 10]]),
        torch.tensor([[0.0, 0, 4, 5], [0, 0, 4, 4.9], [20, 0, 30, 10]]),
        torch.tensor([2, 3, 1]),
    )
    pairing = pair_indices(2, 3)
    labels = label_pairs(instances, pairing, truth, 4)
    positive = {
        (int(pairing[0, p]), int(pairing[1, p]), int(v)) for p, v in torch.nonzero(labels).tolist()
    }
    assert positive == {(0, 2, 2), (0, 1, 1)}  # IoU 0.5 counts, 0.49 does not


def test_the_language_loss_is_least_where_prompts_mean_their_own_sentence() -> None:
    references = torch.eye(5)
    assert float(language_loss(references, references)) < float(
        language_loss(references.roll(1, 0), references)
    )
    assert float(language_loss(torch.ones(5, 5), references)) == pytest.approx(math.log(5))


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="no parity fixtures at hand")
def test_losses_and_gradients_are_the_official_ones() -> None:
    # In double precision: one of the gradients is a small difference of large numbers, and in
    # float32 our own rounding in it is as large as what is allowed.
    fixture = load_fixture("a")
    model, values, found = fixture.model.double(), fixture.values, fixture.instances(0)
    chosen = Instances(found.boxes.double(), found.scores.double(), found.labels)
    model.requires_grad_(True)
    prototypes = model.encode_prompts(load_sentences("hico").verbs)
    feature_map = model.feature_maps(values["in.clip_image"].double(), [chosen])[0]
    regions = model.pool(feature_map, chosen)
    logits = model.pair_vectors(regions) @ prototypes.T
    truth = PairTruth(
        corners(values["train.img0.target.boxes_h"], model.config.image_size),
        corners(values["train.img0.target.boxes_o"], model.config.image_size),
        values["train.img0.target.labels"],
    )
    labels = label_pairs(chosen, regions.pairing, truth, model.config.verbs)
    references = reference_prototypes(model)
    losses = {
        "interaction_loss": interaction_loss(
            logits, model.prior(chosen, regions.pairing, 1.0), labels
        ),
        "language_aware_loss": language_loss(prototypes, references),
    }
    assert torch.equal(labels, values["train.img0.pair_labels"])
    origin = values["text.origin_prototypes_unit_norm"]
    torch.testing.assert_close(references.float(), origin)
    torch.autograd.backward(list(losses.values()))
    for name, loss in losses.items():
        assert loss.item() == pytest.approx(values[f"train.{name}"].item(), rel=1e-4)
    gradients = {
        official_name(name): weight.grad
        for name, weight in model.named_parameters()
        if not name.startswith("encoder.visual.")
    }
    expected = {n.removeprefix("train.grad."): t for n, t in values.items() if "train.grad." in n}
    assert len(expected) == 11
    for name, theirs in expected.items():
        ours = gradients[name]
        assert ours is not None
        error = float((ours.reshape(theirs.shape) - theirs).abs().max() / theirs.abs().max())
        assert error < 2e-5, f"{name}: {error:.1e}"


def corners(boxes: torch.Tensor, side: int) -> torch.Tensor:
    """cxcywh of the image's side -> xyxy pixels."""
    centre, size = boxes[:, :2], boxes[:, 2:]
    return torch.cat([centre - size / 2, centre + size / 2], -1) * side
