"""From an error to a sentence for a person and an exit code."""

import errno

import typer

from limbeck.errors import LimbeckError


def outcome(error: BaseException) -> tuple[str | None, int]:
    """Return the sentence for a person and the exit code; no sentence for an error that is our own mistake.

    Args:
        error: what ended a verb.

    Example:
        >>> outcome(LimbeckError("No data 'x'."))
        ("No data 'x'.", 2)
        >>> outcome(KeyboardInterrupt())[1]
        130
    """
    if isinstance(error, LimbeckError):
        return str(error), error.exit_code
    if isinstance(error, typer.Abort | KeyboardInterrupt):
        return "stopped; nothing was left half-written.", 130
    if isinstance(error, OSError):
        return _of_system(error), 2
    if _is_out_of_memory(error):
        first = str(error).strip().partition("\n")[0] or "no more could be had"
        return (
            f"out of memory ({first}): use a smaller batch_size with train.accumulate, or a smaller model.",
            2,
        )
    return _of_usage(error)


def _of_system(error: OSError) -> str | None:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "no space is left on the disk; what was complete is kept. Free some, then use --resume."
    return f"cannot read or write {error.filename}: {error.strerror}." if error.filename else None


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _of_usage(error: BaseException) -> tuple[str | None, int]:
    """Let a wrong flag speak for itself; typer carries its own copy of click, so it is known by what it can do."""
    show, code = getattr(error, "show", None), getattr(error, "exit_code", None)
    if show is None or code is None:
        return None, 1
    show()
    return "", int(code)
