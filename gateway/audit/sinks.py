"""Where audit rows go. A row that cannot be written stops what it is about."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from gateway.audit.record import Erasure, Row
from gateway.errors import AuditError
from gateway.wire.frame import encode_row

_MODE: Final = 0o600
RETRY_SECONDS: Final = 30.0
"""How long after a row could not be written `ready()` says no."""


class Sink(Protocol):
    """Takes rows."""

    def write(self, row: Row) -> None:
        """Write one row, wholly, before returning.

        Raises:
            AuditError: it is not certain that the row is written. The caller must not do what the row is about.

        """


class FileSink:
    """Appends rows to a file of JSON lines, readable by its owner only.

    One `write` call a row, so that several gateways may share the file. After a failure the next row begins on a line
    of its own, so that a row cut short by a full disk spoils no other.
    """

    def __init__(self, path: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Open the file, creating it.

        Raises:
            AuditError: it cannot be opened for writing.

        """
        self._now = now
        self._path = path
        self._spoilt = self._failed = False
        self._failed_at = 0.0
        self._file = self._open()
        self._opened = os.fstat(self._file)

    def write(self, row: Row | Erasure) -> None:
        """See `Sink`."""
        line = encode_row({"time": self._now().isoformat(timespec="milliseconds"), **row.as_json()})
        data = b"\n" + line if self._spoilt else line
        self._failed, self._failed_at = True, time.monotonic()
        try:
            if not self._in_place():
                self._reopen()
            written = os.write(self._file, data)
        except OSError as exc:
            raise AuditError(f"The audit could not be written ({exc.strerror}).") from None
        self._spoilt = written != len(data)
        if self._spoilt:
            raise AuditError("The audit could not be written (the disk is full).")
        self._failed = False

    def ready(self) -> bool:
        """Whether rows can be written: the last one was, and the file's folder is still there.

        Some time after a failure the answer is yes again: only a row can tell whether it is over, and without traffic
        there would be none.
        """
        waiting = self._failed and time.monotonic() - self._failed_at < RETRY_SECONDS
        return not waiting and self._path.parent.is_dir()

    def _in_place(self) -> bool:
        """Whether the open file is the one at its path; not after it was deleted, or moved away by a rotation."""
        try:
            return os.path.samestat(os.stat(self._path), self._opened)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _MODE)
        except OSError as exc:
            raise AuditError(f"The audit file cannot be opened ({exc.strerror}).") from None

    def _reopen(self) -> None:
        """The file was deleted or rotated away: rows must not go where nobody reads them."""
        # Opened first: if that fails, the number of a closed file could by the next row be that of a socket.
        file = self._open()
        os.close(self._file)
        self._file, self._opened = file, os.fstat(file)
        self._spoilt = False

    def close(self) -> None:
        """Close the file; no row may follow."""
        os.close(self._file)
