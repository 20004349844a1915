"""A small training of CMMP in the world's vocabulary, to be killed or to be one rank of several.

    python -m tests.servers.trainer CLIPS CHECKPOINT [--still]

Tells each step on a line. `--still`: without dropout.
"""

import argparse
import sys
from pathlib import Path

import torch
from torch import nn

from models.cmmp.network import CMMP, CMMPConfig
from models.cmmp.weights import vocabulary_sentences
from models.datasets.world import open_world, world_vocabulary
from models.training.cmmp import Plan, StepReport, train_cmmp
from models.training.cmmp_candidates import world_candidates
from models.training.cmmp_examples import CMMPExamples, Names
from models.training.ranks import joined_ranks

WORDS = world_vocabulary()
TINY = CMMPConfig(
    image_size=64,
    patch=16,
    width=64,
    layers=2,
    text_width=64,
    text_layers=1,
    dim=24,
    verbs=len(WORDS.verbs),
    geometry=16,
)
PLAN = Plan(epochs=2, batch=20, save_every=7)
STILL = Plan(epochs=1, batch=20)


def make_model(config: CMMPConfig = TINY, *, still: bool = False) -> CMMP:
    torch.manual_seed(3)
    model = CMMP(config, vocabulary_sentences(WORDS))
    for module in model.modules():
        if still and isinstance(module, nn.Dropout):
            module.p = 0.0
        elif still and isinstance(module, nn.MultiheadAttention):
            module.dropout = 0.0
    return model


def make_examples(clips: Path, setting: str = "default") -> CMMPExamples:
    world = open_world(clips, "train", setting)
    names = Names.between(world.vocabulary, WORDS)
    return CMMPExamples(world, world_candidates(world), names, TINY.image_size)


def tell(report: StepReport) -> None:
    sys.stdout.write(f"{report.step} {report.interaction:.6f} {report.positives:.0f}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("clips", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--still", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with joined_ranks() as ranks:
        train_cmmp(
            make_model(still=given.still),
            make_examples(given.clips),
            given.checkpoint,
            STILL if given.still else PLAN,
            ranks=ranks,
            on_step=tell,
        )


if __name__ == "__main__":
    main()
