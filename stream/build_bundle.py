"""The part of the composition root where a bundle and the settings over it become what they say."""

from collections.abc import Callable, Collection, Sequence

from configs.settings import Settings
from models.bundle import BoxesSection, Bundle, choose_bundle, load_bundle
from models.coco import CLASSES
from models.detector import Detector, open_detector
from models.errors import ModelError
from models.scorer import PairScorer
from storage.interactions import PICK_UP, PUT_DOWN
from stream.errors import StreamError
from stream.events import EventMaker, Lifecycle
from stream.listening import Listening
from stream.smooth import Smoothing


def open_bundle(settings: Settings) -> Bundle:
    detector_given = settings.detector is not None
    return load_bundle(choose_bundle(settings.bundle, detector_given=detector_given))


def detector_name(settings: Settings, bundle: Bundle) -> str:
    """The user's, else the bundle's own; raises `ModelError` if there is neither."""
    if settings.detector is not None:
        return settings.detector
    section = bundle.manifest.detector
    if section.file is None:
        raise ModelError(
            f"bundle {bundle.name} has no detector of its own: give --detector "
            "yolox.onnx or the name of a transformers model"
        )
    return str(bundle.folder if section.kind == "transformers" else bundle.path(section.file))


def make_detector(settings: Settings, bundle: Bundle) -> Detector:
    """Opened as its bundle wants it."""
    section = bundle.manifest.detector
    name, classes = detector_name(settings, bundle), section.classes or CLASSES
    return open_detector(name, classes=classes, threshold=section.threshold)


def make_smoothing(settings: Settings, bundle: Bundle) -> Smoothing:
    """The bundle's, with what the settings say on top."""
    mine, given = bundle.smoothing, settings.smoothing
    special = dict(mine.get("verbs", {}))
    for verb, values in given.verbs.items():
        if verb not in bundle.vocabulary.verb_names:
            known = ", ".join(bundle.vocabulary.verb_names)
            raise StreamError(f"smoothing.verbs: bundle {bundle.name} knows no {verb!r}: {known}")
        special[verb] = {**special.get(verb, {}), **values}
    merged = {
        **mine,
        "filter": given.filter or mine.get("filter", "average"),
        "default": {**mine.get("default", {}), **given.default},
        "verbs": special,
    }
    try:
        return Smoothing.from_dict(bundle.vocabulary.verb_names, merged)
    except ValueError as error:
        raise StreamError(str(error)) from error


def make_events(
    settings: Settings, bundle: Bundle, names: Callable[[], Sequence[str]]
) -> EventMaker:
    return EventMaker(
        bundle.vocabulary,
        make_smoothing(settings, bundle),
        Lifecycle.from_dict(bundle.events),
        bundle=bundle.hash,
        config=settings.hash,
        sample_seconds=settings.vectors.every_seconds,
        names=names,
    )


def unheard(bundle: Bundle, verbs: Collection[str]) -> set[str]:
    """Verbs of which no run with this bundle makes an event, as far as its manifest tells."""
    lifecycle, known = Lifecycle.from_dict(bundle.events), bundle.vocabulary.verb_names
    anyway = {PICK_UP, PUT_DOWN}
    closed = isinstance(bundle.manifest.scorer, BoxesSection)
    return {
        verb
        for verb in verbs
        if verb not in anyway and (verb in lifecycle.silent or (closed and verb not in known))
    }


def make_listening(bundle: Bundle, scorer: PairScorer) -> Listening:
    """Of a bundle's scorer, for what the bundle does not tell of by itself."""
    silent = Lifecycle.from_dict(bundle.events).silent
    return Listening(scorer, bundle.vocabulary, told_anyway=(PICK_UP, PUT_DOWN), silent=silent)
