"""Tracks: ByteTrack per class group, then mended. Knows detections and seconds, no pixels.

ByteTrack associates by overlap alone, so the bag in front of a person would swap ids with it and
a small thing that jumps further than its own size gets a new id. Hence one ByteTrack per group of
classes that a detector confuses, and a second look at every new track: is it a lost one, come
back nearby or beside the person who carried it?
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import supervision as sv
from trackers import ByteTrackTracker

from models.appearance import OF_PERSONS, OF_THINGS, LookingIoU, Looks, alike, blend, signature
from models.identities import Box, Identity, around_of

PERSON = "person"

# Classes that COCO detectors take for one another from frame to frame.
CONFUSED = (
    ("backpack", "handbag", "suitcase"),
    ("bottle", "wine glass", "cup", "bowl", "vase"),
    ("cell phone", "remote"),
    ("sports ball", "frisbee", "orange", "apple"),
    ("bed", "couch"),
    ("car", "truck", "bus"),
    ("bicycle", "motorcycle"),
)

_NOMINAL_RATE = 30.0  # frames/s; ByteTrack counts its buffer in these, we pass timestamps
_LOOKS_SHARE = 0.15  # how fast a track's look follows what is seen
_FAINT = 0.4  # a detection of less than this share of its track's confidence may be a shadow
_NOT_STRANGE = 0.3  # likeness of a thing in a hand to itself on the table
_SHADOWS_LOOK_ALIKE = 0.2  # how much liker a shadow may be: the track has learnt from it
_TWIN = 0.7  # IoU of two boxes of one person, of which neither hides the other
_CLEAR = 0.3  # IoU with others of the group up to which a look is believed
_RECOGNISED = 0.5  # more alike than this: the lost one may have moved further

Floats = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]


class Tracker:
    """Gives the instances of one camera their numbers; never gives a number twice.

    Confidences: a track begins at `activation`; detections of `high` look for their track first,
    the others for one that is left over; those below `least` are not looked at.
    """

    def __init__(
        self,
        classes: Sequence[str],
        *,
        activation: float = 0.45,
        high: float = 0.4,
        least: float = 0.0,
        minimum_iou: float = 0.1,
        minimum_frames: int = 2,
        lost_seconds: float = 0.6,
        mend_seconds: float = 2.0,
        carried_seconds: float = 4.0,
    ) -> None:
        self._classes = tuple(classes)
        self._groups = _groups(self._classes)
        self._least = least
        self._mend_seconds = mend_seconds
        self._carried_seconds = carried_seconds
        self._ious = [
            LookingIoU(OF_PERSONS if members[0] == self._person else OF_THINGS)
            for members in self._groups
        ]
        self._trackers = [
            ByteTrackTracker(
                lost_track_buffer=round(lost_seconds * _NOMINAL_RATE),
                frame_rate=_NOMINAL_RATE,
                track_activation_threshold=activation,
                minimum_consecutive_frames=minimum_frames,
                minimum_iou_threshold=minimum_iou,
                high_conf_det_threshold=high,
                iou=iou,
            )
            for iou in self._ious
        ]
        for iou, tracker in zip(self._ious, self._trackers, strict=True):
            iou.tracks = lambda tracker=tracker: tracker.tracks  # type: ignore[misc]
        self._identities: list[dict[int, Identity]] = [{} for _ in self._groups]  # by raw id
        self._lost: list[list[Identity]] = [[] for _ in self._groups]
        self._next = 1

    def update(
        self, detections: sv.Detections, seconds: float, image: Image | None = None
    ) -> sv.Detections:
        """Confirmed instances of this frame with `tracker_id` >= 1 and their voted class.

        `seconds` must grow from call to call; rows that are not confirmed yet are left out. With
        the frame's RGB `image` those who cross are told apart by their looks too.
        """
        persons: dict[int, Box] = {}
        parts = []
        if detections.confidence is not None:
            detections = _rows(detections, detections.confidence >= self._least)
        class_ids = _class_ids(detections)
        for group, members in enumerate(self._groups):
            rows = _rows(detections, np.isin(class_ids, members))
            if not len(rows) and not self._remembers(group):
                continue
            part = self._update_group(group, rows, seconds, persons, image)
            if members[0] == self._person:
                persons = dict(zip(_tracker_ids(part).tolist(), part.xyxy, strict=True))
            if len(part):
                parts.append(part)
        merged = sv.Detections.merge(parts) if parts else sv.Detections.empty()
        if not parts:
            merged.tracker_id = np.zeros(0, int)
            merged.class_id = np.zeros(0, int)
            merged.confidence = np.zeros(0, np.float32)
        merged.data["class_name"] = np.array(
            [self._classes[c] for c in _class_ids(merged)], dtype=object
        )
        return merged

    @property
    def _person(self) -> int:
        return self._classes.index(PERSON) if PERSON in self._classes else -1

    def _remembers(self, group: int) -> bool:
        """Without rows and memory there is nothing to do for a group; most are so."""
        return bool(self._trackers[group].tracks or self._identities[group] or self._lost[group])

    def _update_group(
        self,
        group: int,
        rows: sv.Detections,
        seconds: float,
        persons: dict[int, Box],
        image: Image | None,
    ) -> sv.Detections:
        if len(rows) > 1 and len(self._groups[group]) > 1:
            rows = rows.with_nms(threshold=0.6, class_agnostic=True)
        looks = self._looks(group, rows.xyxy, image)
        look_of = {box.tobytes(): look for box, look in zip(rows.xyxy, looks, strict=True)}
        self._ious[group].expect(look_of)
        tracked = self._trackers[group].update(rows, timestamp=seconds)
        tracked = _rows(tracked, _tracker_ids(tracked) >= 0)
        self._remember_looks(group, tracked, look_of)
        known = self._identities[group]
        raw_ids = _tracker_ids(tracked).tolist()
        self._retire(group, set(raw_ids), seconds)
        scores = np.ones(len(tracked)) if tracked.confidence is None else tracked.confidence
        numbers, class_ids = [], []
        if self._groups[group][0] != self._person:
            self._take_back(group, raw_ids, tracked.xyxy, scores, look_of, persons)
        for row, raw in enumerate(raw_ids):
            box = tracked.xyxy[row].astype(np.float32)
            around = around_of(box, persons)
            look = look_of.get(tracked.xyxy[row].tobytes())
            identity = known.get(raw)
            if identity is None:
                lost = self._mend(group, box, seconds, around, look)
                identity = known[raw] = lost or self._new(box, seconds)
            identity.see(box, seconds, around)
            identity.looks = self._look_of_raw(group, raw)
            class_id, score = int(_class_ids(tracked)[row]), float(scores[row])
            numbers.append(identity.number)
            class_ids.append(identity.vote(class_id, score))
        tracked.tracker_id = np.array(numbers, int)
        tracked.class_id = np.array(class_ids, int)
        return tracked

    def _looks(
        self, group: int, boxes: npt.NDArray[Any], image: Image | None
    ) -> list[Looks | None]:
        part = self._ious[group].trust.part
        if image is None:
            return [None] * len(boxes)
        if self._groups[group][0] != self._person:
            return [signature(image, box, part) for box in boxes]
        twins = sv.box_iou_batch(boxes, boxes) > _TWIN
        return [
            signature(image, box, part, boxes[(boxes[:, 3] > box[3]) & ~twins[row]])
            for row, box in enumerate(boxes)
        ]

    def _take_back(
        self,
        group: int,
        raw_ids: Sequence[int],
        boxes: npt.NDArray[Any],
        scores: npt.NDArray[Any],
        look_of: Mapping[bytes, Looks | None],
        persons: dict[int, Box],
    ) -> None:
        """What is picked up jumps, and ByteTrack holds on to a shadow of it that the detector
        still half sees at the old place: a sure new track that looks like it, in the reach of the
        same person, is the thing."""
        known = self._identities[group]
        for row, raw in enumerate(raw_ids):
            if raw in known:
                continue
            look, around = look_of.get(boxes[row].tobytes()), around_of(boxes[row], persons)
            for other, shadow in enumerate(raw_ids):
                identity = known.get(shadow)
                if identity is None or not identity.carriers & around:
                    continue
                if scores[other] > _FAINT * min(float(scores[row]), identity.confidence):
                    continue
                likeness = alike(identity.looks, look)
                ghost = alike(identity.looks, look_of.get(boxes[other].tobytes()))
                if likeness >= max(_NOT_STRANGE, ghost - _SHADOWS_LOOK_ALIKE):
                    known[raw] = known.pop(shadow)
                    break

    def _retire(self, group: int, seen: set[int], seconds: float) -> None:
        """Raw tracks that are not in this frame may be mended; old ones are forgotten."""
        known, lost = self._identities[group], self._lost[group]
        in_use = {known[raw].number for raw in seen if raw in known}
        waiting = {identity.number for identity in lost}
        for raw, identity in known.items():
            if raw not in seen and identity.number not in waiting | in_use:
                lost.append(identity)
        longest = max(self._mend_seconds, self._carried_seconds)
        self._lost[group] = [
            identity
            for identity in lost
            if identity.number not in in_use and seconds - identity.seconds <= longest
        ]
        alive = {identity.number for identity in self._lost[group]} | in_use
        for raw in [raw for raw, identity in known.items() if identity.number not in alive]:
            del known[raw]

    def _remember_looks(
        self, group: int, tracked: sv.Detections, look_of: Mapping[bytes, Looks | None]
    ) -> None:
        """Tracks learn how they look where nothing of their group is in the way."""
        iou, tracks = self._ious[group], self._trackers[group].tracks
        alive = {id(track) for track in tracks}
        iou.looks = {key: look for key, look in iou.looks.items() if key in alive}
        overlaps = sv.box_iou_batch(tracked.xyxy, tracked.xyxy) - np.eye(len(tracked))
        by_raw = {track.tracker_id: track for track in tracks}
        for row, raw in enumerate(_tracker_ids(tracked).tolist()):
            look, track = look_of.get(tracked.xyxy[row].tobytes()), by_raw.get(raw)
            if look is None or track is None:
                continue
            old = iou.looks.get(id(track))
            if old is None:
                iou.looks[id(track)] = look
            elif overlaps[row].max() <= _CLEAR:
                iou.looks[id(track)] = blend(old, look, _LOOKS_SHARE)

    def _look_of_raw(self, group: int, raw: int) -> Looks | None:
        for track in self._trackers[group].tracks:
            if track.tracker_id == raw:
                return self._ious[group].looks.get(id(track))
        return None

    def _mend(
        self,
        group: int,
        box: Box,
        seconds: float,
        around: frozenset[int],
        look: Looks | None,
    ) -> Identity | None:
        """The lost identity that this new track most likely is."""
        best, best_cost = None, 1.0
        for identity in self._lost[group]:
            likeness = alike(identity.looks, look)
            if likeness < self._ious[group].trust.stranger:
                continue
            cost = identity.cost(
                box,
                seconds,
                around,
                mend_seconds=self._mend_seconds,
                carried_seconds=self._carried_seconds,
            )
            cost /= 1 + max(0.0, likeness - _RECOGNISED) / (1 - _RECOGNISED)
            if cost < best_cost:
                best, best_cost = identity, cost
        if best is not None:
            self._lost[group].remove(best)
            known = self._identities[group]
            for raw in [raw for raw, identity in known.items() if identity is best]:
                del known[raw]  # should ByteTrack revive the old track, it is looked at anew
        return best

    def _new(self, box: Box, seconds: float) -> Identity:
        identity = Identity(self._next, box, seconds, np.zeros(2, np.float32))
        self._next += 1
        return identity


def _groups(classes: Sequence[str]) -> list[list[int]]:
    """Class ids that share a tracker; persons first, for the others look at them."""
    groups: list[list[int]] = []
    done: set[int] = set()
    for names in ((PERSON,), *CONFUSED, *((name,) for name in classes)):
        members = [i for i, name in enumerate(classes) if name in names and i not in done]
        done.update(members)
        if members:
            groups.append(members)
    return groups


def _rows(detections: sv.Detections, mask: npt.NDArray[np.bool_]) -> sv.Detections:
    picked = detections[mask]
    assert isinstance(picked, sv.Detections)
    return picked


def _tracker_ids(detections: sv.Detections) -> npt.NDArray[np.int64]:
    ids = detections.tracker_id
    return np.zeros(0, np.int64) if ids is None else np.asarray(ids, np.int64)


def _class_ids(detections: sv.Detections) -> npt.NDArray[np.int64]:
    ids = detections.class_id
    return np.zeros(0, np.int64) if ids is None else np.asarray(ids, np.int64)
