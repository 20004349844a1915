"""An authors' checkpoint -> a bundle: CLIP, CMMP, and its own detector where it has one."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from torch import Tensor

from models.bundle import (
    CMMPSection,
    DetectorSection,
    Manifest,
    write_manifest,
)
from models.cmmp.checkpoint import detector_state, load_official, read_state
from models.cmmp.detr import convert_detr, save_detr
from models.cmmp.network import CMMPConfig
from models.cmmp.prompts import FOLDER, Dataset, load_sentences
from models.cmmp.weights import read_config, save_cmmp
from models.datasets.vcoco import vcoco_vocabulary
from models.errors import ModelError
from models.vocabulary import Verb, Vocabulary

ARCHITECTURES = {"B16": "ViT-B-16-quickgelu", "L14": "ViT-L-14-336-quickgelu"}
_DETECTOR_FILE = "model.safetensors"  # the name that transformers gives
_TOWER_SIZES = ("image_size", "patch", "width", "layers", "text_width", "text_layers", "dim")
_MOMENTS = frozenset(  # of HICO's verbs; the others last
    {"break", "catch", "exit", "flip", "flush", "hit", "hop on", "kick", "launch", "pick"}
    | {"pick up", "punch", "release", "stab", "throw", "toast"}
)
_LICENCES = {
    "CMMP weights": "none granted by their authors",
    "CLIP weights": "MIT (OpenAI)",
}


def import_official(path: Path, clip: str, out: Path) -> Path:
    """Convert a checkpoint file into a bundle's folder, which must be new or empty."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ModelError(f"{out}: exists and is not empty")
    return convert_official(read_state(path), clip, out)


def convert_official(state: Mapping[str, Tensor], clip: str, out: Path) -> Path:
    """An official state dict -> the bundle in `out`, which is new or empty.

    Nothing is written unless all tensors fit, and `out` is there when it is whole.
    """
    if clip not in ARCHITECTURES:
        raise ModelError(f"--clip {clip}: choose one of {', '.join(ARCHITECTURES)}")
    model = load_official(state)
    _check_architecture(model.config, clip)
    detector = detector_state(state)
    network = convert_detr(detector) if detector else None
    section = CMMPSection(
        kind="cmmp",
        file="cmmp.safetensors",
        clip="clip.safetensors",
        sizes=asdict(model.config),
    )
    made = out.with_name(f".{out.name}.part")
    shutil.rmtree(made, ignore_errors=True)  # of a try that was cut off
    made.mkdir(parents=True)
    save_cmmp(model, section, made)
    if network is not None:
        save_detr(network, made)
    manifest = Manifest(
        name=out.name,
        version="1",
        description=f"CMMP on CLIP {clip}, the authors' weights",
        footage="real",
        detector=DetectorSection(
            kind="transformers", file=None if network is None else _DETECTOR_FILE
        ),
        scorer=section,
        vocabulary=read_vocabulary(model.config.dataset).to_dict(),
        licences=_LICENCES,
    )
    write_manifest(made, manifest)
    return made.replace(out)


def read_vocabulary(dataset: Dataset) -> Vocabulary:
    """The data set's verbs in the weights' order, with the sentences they were trained with.

    "No interaction" keeps its place among the verbs but no class allows it: it is no event.
    """
    if dataset == "vcoco":
        return vcoco_vocabulary()
    facts = json.loads((FOLDER / "hico.json").read_text())
    sentences = load_sentences("hico")
    names, nothing = facts["verbs"], facts["no_interaction_verb_id"]
    return Vocabulary(
        "hico",
        tuple(
            Verb(name, sentence, name in _MOMENTS)
            for name, sentence in zip(names, sentences.verbs, strict=True)
        ),
        tuple(facts["objects"]),
        tuple(tuple(verb for verb in row if verb != nothing) for row in sentences.allowed),
    )


def _check_architecture(found: CMMPConfig, clip: str) -> None:
    wanted = read_config(ARCHITECTURES[clip], {})
    for size in _TOWER_SIZES:
        if getattr(found, size) != getattr(wanted, size):
            raise ModelError(
                f"not weights for CLIP {clip}: {size} is {getattr(found, size)}, "
                f"not {getattr(wanted, size)}"
            )
