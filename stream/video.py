"""`--save-video`: the frames with boxes, numbers and what people are doing, as H.264."""

from collections import deque
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
import supervision as sv

from storage.interactions import Interaction, Kind
from stream.errors import StreamError
from stream.frames import EventFrame, Image, Round

_TIME_BASE = Fraction(1, 1000)  # seconds; a millisecond is the media clock's least step
_MOMENT_SECONDS = 1.0  # a moment stays readable for so long
_PLAIN_HEIGHT = 400  # pixels: taller pictures get larger letters
_TEXT_SCALE, _LINE_HEIGHT, _PADDING = 0.4, 19, 4  # of the sentences; pixels
_PERSON_COLOR, _THING_COLOR, _EVENT_COLOR = "#2f80ed", "#f2994a", "#27ae60"


class VideoWriter:
    """One file; frames must come with growing media times."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size: tuple[int, int] | None = None
        self._draw = Drawing()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._container: Any = av.open(str(path), "w", format="mp4")
            self._stream = self._container.add_stream(
                "libx264", rate=25, options={"preset": "veryfast", "crf": "23"}
            )
        except (OSError, av.FFmpegError) as error:
            raise StreamError(f"video {path} cannot be written: {error.strerror}") from error
        self._stream.codec_context.time_base = _TIME_BASE

    def write(self, frame: EventFrame) -> None:
        image = self._fit(self._draw.draw(frame))
        picture = av.VideoFrame.from_ndarray(image, format="rgb24")
        picture.pts = round(frame.frame.media_time / _TIME_BASE)
        picture.time_base = _TIME_BASE
        self._mux(picture)

    def close(self) -> None:
        if self._size is not None:
            self._mux(None)
        self._container.close()

    def _fit(self, image: Image) -> Image:
        """The first picture's size, in even numbers of pixels, holds for all."""
        if self._size is None:
            height, width = (max(side - side % 2, 2) for side in image.shape[:2])
            self._size = self._stream.width, self._stream.height = width, height
            self._stream.pix_fmt = "yuv420p"
        width, height = self._size
        if abs(image.shape[0] - height) <= 1 and abs(image.shape[1] - width) <= 1:
            return np.ascontiguousarray(image[:height, :width])
        return cast(Image, cv2.resize(image, self._size))

    def _mux(self, picture: Any) -> None:
        try:
            for packet in self._stream.encode(picture):
                self._container.mux(packet)
        except (OSError, av.FFmpegError) as error:
            raise StreamError(f"video {self._path}: {error.strerror}") from error


class SaveVideo:
    """A file for every camera; with one camera it has exactly the name asked for."""

    def __init__(self, path: Path, cameras: Iterable[str]) -> None:
        names = list(cameras)
        self._paths = {
            name: path if len(names) == 1 else path.with_stem(f"{path.stem}-{name}")
            for name in names
        }
        self._writers: dict[str, VideoWriter] = {}

    @property
    def paths(self) -> list[Path]:
        """Files begun so far."""
        return [self._paths[camera] for camera in self._writers]

    def write(self, round_: Round[EventFrame]) -> None:
        for frame in round_.frames:
            camera = frame.frame.camera
            if camera not in self._writers:
                self._writers[camera] = VideoWriter(self._paths[camera])
            self._writers[camera].write(frame)

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()


class Drawing:
    """Draws on copies, in sizes that suit the first; remembers the moments to stay readable."""

    def __init__(self) -> None:
        self._moments: deque[tuple[float, Interaction]] = deque()
        self._color = _rgb(_EVENT_COLOR)
        self._size = 0.0  # of letters and lines; 1 in a small picture

    def _suit(self, height: int) -> None:
        self._size = max(1.0, height / _PLAIN_HEIGHT)
        palette = sv.ColorPalette([_rgb(_PERSON_COLOR), _rgb(_THING_COLOR)])
        by_row = sv.ColorLookup.INDEX
        self._boxes = sv.BoxAnnotator(
            palette, thickness=round(1.5 * self._size), color_lookup=by_row
        )
        self._labels = sv.LabelAnnotator(
            palette,
            text_scale=_TEXT_SCALE * self._size,
            text_thickness=round(self._size),
            text_padding=round(0.75 * _PADDING * self._size),
            color_lookup=by_row,
        )

    def draw(self, frame: EventFrame) -> Image:
        scene, detections = frame.frame.image.copy(), frame.detections
        if not self._size:
            self._suit(scene.shape[0])
        names = [str(name) for name in detections.data.get("class_name", ())]
        numbers = [] if detections.tracker_id is None else detections.tracker_id.tolist()
        kinds = np.array([0 if name == "person" else 1 for name in names], int)
        labels = [f"{name} {number}" for name, number in zip(names, numbers, strict=True)]
        if names:
            scene = self._boxes.annotate(scene, detections, custom_color_lookup=kinds)
            scene = self._labels.annotate(scene, detections, labels, custom_color_lookup=kinds)
        boxes = dict(zip(numbers, detections.xyxy, strict=True))
        for row, interaction in enumerate(self._shown(frame)):
            scene = self._interaction(scene, interaction, boxes, row)
        return scene

    def _shown(self, frame: EventFrame) -> list[Interaction]:
        now = frame.frame.media_time
        self._moments.extend(
            (now, change.interaction)
            for change in frame.changes
            if change.interaction.kind is Kind.MOMENT
        )
        while self._moments and now - self._moments[0][0] > _MOMENT_SECONDS:
            self._moments.popleft()
        return [*frame.active, *(interaction for _, interaction in self._moments)]

    def _interaction(
        self, scene: Image, interaction: Interaction, boxes: dict[int, Any], row: int
    ) -> Image:
        """A line between the two, and a sentence in the list at the top left."""
        size = self._size
        human, thing = (
            int(track.rpartition(":")[2])
            for track in (interaction.human_track, interaction.object_track)
        )
        if human in boxes and thing in boxes:
            start, end = _centre(boxes[human]), _centre(boxes[thing])
            scene = sv.draw_line(scene, start, end, color=self._color, thickness=round(1.5 * size))
        text = f"person {human} {interaction.verb} {interaction.object_class} {thing}"
        scale, thickness = _TEXT_SCALE * size, round(size)
        width = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)[0][0]
        anchor = sv.Point(8 * size + width / 2, (12 + _LINE_HEIGHT * row) * size)
        return sv.draw_text(
            scene,
            text,
            anchor,
            text_color=sv.Color.WHITE,
            text_scale=scale,
            text_thickness=thickness,
            text_padding=round(_PADDING * size),
            background_color=self._color,
        )


def _centre(box: Any) -> Any:
    return sv.Point(float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2)


def _rgb(text: str) -> sv.Color:
    """supervision draws on BGR pictures; ours are RGB."""
    color = sv.Color.from_hex(text)
    return sv.Color(color.b, color.g, color.r)
