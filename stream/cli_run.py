"""`stream run`: progress while it goes, events as they end, one summary at the end."""

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from configs.settings import Settings
from storage.interactions import Interaction, Phase
from stream.build import Run, open_run
from stream.cli_output import complain, errors_console
from stream.frames import EventFrame, Round, changes_of
from stream.sources import count_frames
from stream.video import SaveVideo

_WORLD_BANNER = (
    "[bold]THE DEMO MODEL IS RUNNING: it knows only the drawn world of `stream demo`.[/bold]\n"
    "What it says about real footage means nothing. There give a COCO detector:\n"
    "  stream run --source ... --detector yolox_nano.onnx"
)


def run_pipeline(
    settings: Settings,
    *,
    config: Path | None = None,
    save_video: Path | None = None,
    json_lines: bool = False,
    on_event: Callable[[Interaction], None] = lambda _: None,
) -> int:
    """Exit code: 0; 1 if a source could not be read; 130 if it was interrupted."""
    console = errors_console()
    with ExitStack() as open_things:
        run = open_things.enter_context(open_run(settings, config=config))
        # Half a million objects of our libraries stay to the end: to look at them in every full
        # collection halts all stages for a third of a second, and the end of the process, too.
        gc.freeze()
        if settings.bundle == "auto" and run.bundle.manifest.footage == "world":
            console.print(Panel(_WORLD_BANNER, border_style="bold red", title="world"))
        cameras = [source.name for source in run.sources]
        saved = None
        if save_video is not None:
            saved = open_things.enter_context(closing(SaveVideo(save_video, cameras)))
        signals = open_things.enter_context(_stop_on_signals(run))
        progress = open_things.enter_context(_progress(run, console))
        for round_ in run.rounds:
            if saved is not None:
                saved.write(round_)
            try:
                _tell(round_, json_lines, on_event)
            except BrokenPipeError:  # who read our output has seen enough
                json_lines = False
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                run.stop()
            progress(round_)
    _show_summary(console, run, saved)
    if signal.SIGINT in signals:
        return 128 + signal.SIGINT
    return 1 if run.failed else 0


def _tell(
    round_: Round[EventFrame], json_lines: bool, on_event: Callable[[Interaction], None]
) -> None:
    for change in changes_of(round_):
        if change.interaction.phase is not Phase.END:
            continue
        on_event(change.interaction)
        if json_lines:
            sys.stdout.write(change.interaction.to_json(with_vector=False) + "\n")
            sys.stdout.flush()


@contextmanager
def _stop_on_signals(run: Run) -> Iterator[list[signal.Signals]]:
    """The first Ctrl-C ends the run in order, the second one at once. Yields what was caught."""
    caught: list[signal.Signals] = []
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, _: Any) -> None:
        caught.append(signal.Signals(number))
        for again, handler in before.items():
            signal.signal(again, handler)
        complain("stopping: open events are closed; once more to stop at once")
        # Not here: the interrupted code may hold the lock that stopping needs.
        threading.Thread(target=run.stop).start()

    for number in before:
        signal.signal(number, stop)
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _progress(run: Run, console: Console) -> Iterator[Callable[[Round[EventFrame]], None]]:
    """A bar for files, a rate for live sources; off a terminal neither."""
    totals = [count_frames(source) for source in run.sources]
    known = [total for total in totals if total is not None]
    bar = Progress(
        TextColumn("{task.completed:.0f} frames"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]:.1f} frames/s  {task.fields[events]} events"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        total = sum(known) if len(known) == len(totals) else None
        task = bar.add_task("", total=total, rate=0.0, events=0)

        def step(round_: Round[EventFrame]) -> None:
            speed = bar.tasks[0].finished_speed or bar.tasks[0].speed or 0.0
            bar.update(task, advance=len(round_.frames), rate=speed, events=run.events.total())

        yield step


def _show_summary(console: Console, run: Run, saved: SaveVideo | None) -> None:
    summary = run.summary()
    fates = [f"{summary['frames']} frames decoded"]
    for reason, frames in summary["dropped"].items():
        fates.append(f"{frames} dropped ({reason})")
    fates.append(f"{summary['scored']} scored")
    for reason, frames in summary["gated"].items():
        fates.append(f"{frames} not scored ({reason})")
    console.print(", ".join(fates), markup=False)
    by_verb = ", ".join(f"{verb} {number}" for verb, number in summary["events"].items())
    console.print(
        f"{run.events.total()} events" + (f": {by_verb}" if by_verb else ""), markup=False
    )
    console.print(
        f"{summary['seconds']:.1f} s, {summary['frames_per_second']:.1f} frames/s, "
        f"bottleneck: {summary['bottleneck']}; bundle {run.bundle.name} {run.bundle.hash}",
        markup=False,
    )
    if summary["lost"]:
        lost = ", ".join(f"{times} {trouble}" for trouble, times in summary["lost"].items())
        console.print(f"live sources lost: {lost}", markup=False)
    for sink, waiting in summary["waiting"].items():
        if waiting:
            console.print(f"{waiting} events wait in the outbox for {sink}", markup=False)
    for path in saved.paths if saved is not None else []:
        console.print(f"video: {path}", markup=False)
