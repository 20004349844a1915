"""A training's numbers for TensorBoard, one event file a start, none of them twice."""

from pathlib import Path

from tensorboardX import SummaryWriter

from models.training.cmmp import StepReport


class Scalars:
    """Writes into the folder; after a resumption TensorBoard drops what was written past it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: SummaryWriter | None = None

    def __call__(self, report: StepReport) -> None:
        if self._writer is None:
            self._writer = SummaryWriter(
                str(self._folder),
                purge_step=report.step,
                filename_suffix=f".{report.step}",  # two starts within a second are two files
            )
        for name, value in (
            ("loss/interaction", report.interaction),
            ("loss/language", report.language),
            ("learning_rate", report.rate),
            ("batch/positive_cells", report.positives),
            ("images/unreadable", report.unreadable),
        ):
            self._writer.add_scalar(name, value, report.step)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
