"""A small training of CMMP in the world's vocabulary, to be killed or to be one rank of several.

    python -m tests.servers.trainer CLIPS CHECKPOINT [--still]

Tells each step on a line. `--still`: without dropout, and some pictures are torn.
"""

import argparse
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from models.cmmp.network import CMMP, CMMPConfig
from models.cmmp.weights import vocabulary_sentences
from models.datasets.examples import Image
from models.datasets.images import SkippedImages
from models.datasets.world import open_world, world_vocabulary
from models.errors import ModelError
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
TORN = range(0, 200, 40)


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


class Torn:
    """A data set some of whose pictures cannot be read."""

    def __init__(self, examples: CMMPExamples, torn: Collection[int]) -> None:
        self._whole, self._torn = examples.dataset, torn
        self.vocabulary, self.keys = self._whole.vocabulary, self._whole.keys
        self.pairs = self._whole.pairs

    def image(self, index: int) -> Image:
        if index in self._torn:
            raise ModelError(f"{self.keys[index]}: torn")
        return self._whole.image(index)


def tear(examples: CMMPExamples, torn: Collection[int] = TORN) -> CMMPExamples:
    """Of which nothing has been told yet."""
    return replace(examples, dataset=Torn(examples, torn), skipped=SkippedImages())


def tell(report: StepReport) -> None:
    numbers = f"{report.interaction:.6f} {report.positives:.0f} {report.unreadable}"
    sys.stdout.write(f"{report.step} {numbers}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("clips", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--still", action="store_true")
    given = parser.parse_args()
    examples = make_examples(given.clips)
    with joined_ranks() as ranks:
        torch.set_num_threads(1)
        train_cmmp(
            make_model(still=given.still),
            tear(examples) if given.still else examples,
            given.checkpoint,
            STILL if given.still else PLAN,
            ranks=ranks,
            on_step=tell,
        )


if __name__ == "__main__":
    main()
