"""A row is written wholly before anything it is about happens, or the caller is told that it was not."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.record import Row, Who
from gateway.audit.sinks import FileSink
from gateway.errors import AuditError

WHO = Who("c0ffee", "team-a", "default", "1bdd09e6c13eabb6")


def row(turn: int = 1) -> Row:
    return Row(WHO, turn, "input", "response.create", "forwarded")


def turns(path: Path) -> list[Any]:
    """The turns of the rows that can be read; None for a line that cannot."""

    def turn(line: str) -> Any:
        try:
            return json.loads(line)["turn"]
        except ValueError:
            return None

    return [turn(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs" / "audit.jsonl"


def failing(error: OSError) -> Callable[..., int]:
    def write(file: int, data: bytes) -> int:
        raise error

    return write


def test_rows_are_lines_of_json_with_the_time_in_utc(path: Path) -> None:
    sink = FileSink(path, now=lambda: datetime(2026, 11, 22, 18, 58, 24, 277999, UTC))
    sink.write(row(1))
    sink.write(row(2))
    sink.close()
    lines = path.read_text("utf-8").splitlines()
    assert [json.loads(line)["turn"] for line in lines] == [1, 2]
    assert json.loads(lines[0])["time"] == "2026-11-22T18:58:24.277+00:00"


def test_the_file_is_made_for_its_owner_only(path: Path) -> None:
    FileSink(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_rows_are_appended_to_what_is_there_and_to_what_others_write(path: Path) -> None:
    first, second = FileSink(path), FileSink(path)
    first.write(row(1))
    second.write(row(2))
    first.write(row(3))
    first.close()
    third = FileSink(path)
    third.write(row(4))
    assert turns(path) == [1, 2, 3, 4]
    second.close()
    third.close()


def test_a_row_is_in_the_file_when_writing_returns(path: Path) -> None:
    sink = FileSink(path)
    sink.write(row(7))
    assert turns(path) == [7]
    sink.close()


def test_a_file_that_cannot_be_opened_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="cannot be opened"):
        FileSink(tmp_path)


def test_a_row_that_cannot_be_written_is_said_so_and_the_next_one_may_be(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = FileSink(path)
    assert sink.ready()
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", failing(OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises(AuditError, match="No space left") as caught:
            sink.write(row(1))
        assert caught.value.__cause__ is None
    assert not sink.ready()
    sink.write(row(2))
    assert sink.ready()
    assert turns(path) == [2]
    sink.close()


def test_a_row_cut_short_spoils_no_other(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = FileSink(path)
    sink.write(row(1))
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: real(file, data[:20]))
        for _ in range(2):
            with pytest.raises(AuditError, match="the disk is full"):
                sink.write(row(2))
    assert not sink.ready()
    sink.write(row(3))
    assert sink.ready()
    assert turns(path) == [1, None, None, 3]
    sink.write(row(4))
    assert turns(path) == [1, None, None, 3, 4]
    sink.close()


def test_a_full_disk_is_noticed_by_the_real_system() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    sink = FileSink(full)
    with pytest.raises(AuditError, match="No space left"):
        sink.write(row())
    assert not sink.ready()
    sink.close()


def test_a_file_that_was_deleted_is_made_again(path: Path) -> None:
    sink = FileSink(path)
    sink.write(row(1))
    path.unlink()
    sink.write(row(2))
    assert turns(path) == [2]
    assert sink.ready()
    sink.close()


def test_a_file_that_cannot_be_made_again_fails_the_row_and_writes_into_no_other_file(path: Path) -> None:
    sink = FileSink(path)
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("a file stands where the folder was")
    for _ in range(2):
        # Whatever is opened now must not get the number that the sink still writes to.
        taken = [os.open(os.devnull, os.O_WRONLY) for _ in range(5)]
        assert sink._file not in taken
        with pytest.raises(AuditError, match="cannot be opened"):
            sink.write(row(1))
        for file in taken:
            os.close(file)
    assert not sink.ready()
    path.parent.unlink()
    path.parent.mkdir()
    sink.write(row(2))
    assert turns(path) == [2]
    assert sink.ready()
    sink.close()
