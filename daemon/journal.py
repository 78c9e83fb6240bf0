"""The running log of a daemon: readable lines on a terminal, JSON lines otherwise; to standard error, times in UTC."""

from __future__ import annotations

import sys
from typing import Final, TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

# The values of local variables are secrets and bodies: none of them may stand in a log file.
_WITHOUT_LOCALS: Final = ExceptionDictTransformer(show_locals=False)


def open_journal(program: str, *, stream: TextIO | None = None) -> structlog.stdlib.BoundLogger:
    """Set up structured logging for this process.

    Args:
        program: what the lines say in `program`.
        stream: where lines go; standard error if absent.

    Returns:
        a logger; modules that are not handed one take theirs from :func:`journal`.
    """
    out = stream if stream is not None else sys.stderr
    last: list[Processor]
    if out.isatty():
        last = [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    else:
        last = [structlog.processors.ExceptionRenderer(_WITHOUT_LOCALS), structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[
            _says(program),
            structlog.processors.add_log_level,
            # ISO 8601 with a final Z.
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            *last,
        ],
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    return journal()


def journal() -> structlog.stdlib.BoundLogger:
    """The logger of this process."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger()
    return logger


def _says(program: str) -> Processor:
    """Name the program in every line, whichever thread writes it."""

    def named(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
        return {**line, "program": program}

    return named
