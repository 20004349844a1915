"""`PairScorer`: tracked instances of a round in, verb evidence of every near pair out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import supervision as sv

from models.box_pairs import BoxPairScorer, Image
from models.box_scorer import BoxScorer
from models.bundle import BoxesSection, Bundle
from models.evidence import Floats
from models.pairs import PairScores
from models.vocabulary import Verb

if TYPE_CHECKING:
    from models.looks import Looker


class PairScorer(Protocol):
    """Scores the near pairs of tracked people and things."""

    @property
    def prototypes(self) -> Floats:
        """(V, D): logits are the pair vectors times these."""

    @property
    def verb_names(self) -> tuple[str, ...]:
        """(V,) what the columns of the scores are; while it runs they only become more."""

    def listen(self, verbs: Sequence[Verb]) -> tuple[str, ...]:
        """Score these verbs, too, from the next round on; returns those that it cannot."""

    def score(
        self, images: Sequence[Image], detections: Sequence[sv.Detections]
    ) -> list[PairScores]:
        """One result a frame; all frames of the round are scored together."""


def make_looker(scorer: PairScorer) -> "Looker | None":
    """What sees what tracks look like; None: the scorer has no eyes."""
    if isinstance(scorer, BoxPairScorer):
        return None
    from models.cmmp_scorer import CMMPScorer
    from models.looks import Looker

    return Looker(scorer) if isinstance(scorer, CMMPScorer) else None


def load_scorer(bundle: Bundle) -> PairScorer:
    """The scorer that a bundle names."""
    section, calibration = bundle.manifest.scorer, bundle.manifest.calibration
    if isinstance(section, BoxesSection):
        network = BoxScorer.load(bundle.path(section.file))
        return BoxPairScorer(network, bundle.vocabulary, calibration)
    from models.cmmp.weights import load_cmmp  # open_clip takes a second to import
    from models.cmmp_scorer import CMMPScorer

    model = load_cmmp(section, bundle.folder, bundle.vocabulary)
    return CMMPScorer(model, bundle.vocabulary, calibration, section.mean, section.std)
