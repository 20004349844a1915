"""A world clip as an H.264 file."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av

from models.world.render import World, everyday
from models.world.stage import Act, Stage
from models.world.truth import ClipTruth


def write_clip(
    path: Path,
    seed: int,
    seconds: float,
    *,
    width: int = 384,
    height: int = 288,
    fps: float = 12.5,
    people: int | None = None,
    crf: int = 23,
    live: bool = False,
    lives: Callable[[Stage], list[Act]] = everyday,
) -> ClipTruth:
    """Render and encode; frame i has the timestamp i / fps. Returns what is true in the clip.

    With `live` as a camera encodes: no frame waits for a later one, a key frame every second.
    """
    world = World(
        seed, width=width, height=height, fps=fps, seconds=seconds, people=people, lives=lives
    )
    rate = Fraction(fps).limit_denominator(1001)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": str(crf), "preset": "veryfast"}
        if live:
            stream.options |= {"tune": "zerolatency", "g": str(round(fps))}
        stream.time_base = stream.codec_context.time_base = 1 / rate
        for index, (image, _) in enumerate(world.frames()):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return world.truth()
