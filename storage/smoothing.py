"""How one verb behaves in time: shared by those who smooth live and those who ask later."""

from dataclasses import dataclass


@dataclass(frozen=True)
class VerbSmoothing:
    """Rates and times in seconds."""

    tau: float = 0.4  # average: time constant
    on_rate: float = 0.15  # two_state: starts per second while off
    off_rate: float = 0.3  # two_state: ends per second while on
    decorrelation: float = 0.5  # two_state: evidence closer in time than this is partly the same
    bias: float = 0.0  # added to the evidence, log-odds
    enter: float = 0.7  # hysteresis: open at this belief
    leave: float = 0.3  # ... and close below this
    min_seconds: float = 0.3  # shorter is not reported
    merge_seconds: float = 0.8  # a shorter pause does not end it
    prominence: float = 0.2  # moments: belief must fall and rise by this between two peaks
