"""Device and number format, chosen once and in one place."""

import os
from functools import cache

import torch


@cache
def choose_device() -> torch.device:
    """CUDA if there is a usable device, else Apple's, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


@cache
def choose_dtype(device: torch.device) -> torch.dtype:
    """What large matrix products run in: bfloat16 where the device has it in hardware."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    if device.type == "cpu" and torch.cpu._is_avx512_bf16_supported():
        return torch.bfloat16
    return torch.float32


def choose_training_dtype(device: torch.device) -> torch.dtype:
    """What a training's towers may run in: `choose_dtype`, or float16 on a GPU without bfloat16."""
    dtype = choose_dtype(device)
    return torch.float16 if device.type == "cuda" and dtype == torch.float32 else dtype


def half_of_the_processors() -> int:
    """Threads for one of two networks that run beside each other; of those that we may use."""
    allowed = getattr(os, "sched_getaffinity", None)  # Linux alone
    count = len(allowed(0)) if allowed else os.cpu_count() or 2
    return max(1, count // 2)


def share_processors() -> None:
    """Leave half of them to the detector and to decoding: from now on, in the whole process.

    Where torch takes all of them its threads wait for each other more than they compute.
    """
    torch.set_num_threads(min(torch.get_num_threads(), half_of_the_processors()))


def keep_to_one_thread() -> None:
    """For one of as many processes as there are processors: more would wait for each other."""
    torch.set_num_threads(1)


def is_out_of_memory(error: BaseException) -> bool:
    """Of the machine or of its accelerator, whichever library says so."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return "out of memory" in text or "failed to allocate" in text or "bad allocation" in text
