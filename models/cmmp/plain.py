"""CLIP alone as a CMMP bundle: untrained adapters, hand-written sentences, no interaction seen.

The pair vector mixes person, thing and both as an untrained CMMP does. Prototypes are unit text
features less their mean, times CLIP's own temperature (in the scales), so a logit says how much
more a pair looks like one verb than like verbs on the whole. Minus the logarithm of how many
verbs a class allows on average, it is the log-odds of that verb among so many average ones: a
guess by CLIP's own softmax, fitted to no footage.
"""

from math import log
from pathlib import Path

import torch
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from torch import Tensor

from models.bundle import (
    Calibration,
    CMMPSection,
    DetectorSection,
    Manifest,
    write_manifest,
)
from models.cmmp.checkpoint import read_state
from models.cmmp.network import CMMP
from models.cmmp.official import read_vocabulary
from models.cmmp.regions import unit
from models.cmmp.weights import read_config, save_cmmp
from models.errors import ModelError

_SIZES = {"context": 0}  # no learned words before a sentence


def convert_clip(weights: Path, architecture: str, licence: str, out: Path) -> Path:
    """open_clip's `.safetensors` of an architecture with QuickGELU -> the bundle in `out`."""
    vocabulary = read_vocabulary("hico")
    model = plain_clip(read_state(weights), architecture)
    section = CMMPSection(
        kind="cmmp",
        file="cmmp.safetensors",
        clip="clip.safetensors",
        architecture=architecture,
        sizes=_SIZES,
        mean=OPENAI_DATASET_MEAN,
        std=OPENAI_DATASET_STD,
    )
    bias = -log(vocabulary.validity.sum() / len(vocabulary.objects))
    out.mkdir(parents=True, exist_ok=True)
    save_cmmp(model, section, out)
    manifest = Manifest(
        name=out.name,
        version="1",
        description=f"Plain CLIP ({architecture}), zero-shot: trained and fitted on no interaction",
        footage="real",
        detector=DetectorSection(kind="transformers"),
        scorer=section,
        vocabulary=vocabulary.to_dict(),
        calibration={name: Calibration(bias=bias) for name in vocabulary.verb_names},
        licences={"CLIP weights": licence},
    )
    write_manifest(out, manifest)
    return out


def plain_clip(state: dict[str, Tensor], architecture: str) -> CMMP:
    """open_clip's state dict -> the network, HICO-DET's texts encoded."""
    model = CMMP(read_config(architecture, _SIZES)).eval()
    try:
        model.clip.load_state_dict(state)
    except RuntimeError as error:
        faults = " ".join(str(error).split())[:300]
        raise ModelError(f"not open_clip's weights of {architecture} ({faults})") from error
    model.encode_texts()
    with torch.no_grad():
        directions = unit(model.prototypes)
        model.prototypes.copy_(directions - directions.mean(0))
        scales = (model.human_scale, model.object_scale, model.union_scale)
        temperature = model.clip.logit_scale.exp() / sum(float(scale) for scale in scales)
        for scale in scales:
            scale.mul_(temperature)
    return model
