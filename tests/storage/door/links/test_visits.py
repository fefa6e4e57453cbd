"""What requests by links note is written behind their backs, and nothing of it is forgotten."""

import asyncio
import threading

import pytest

from storage.door.links import visits


class Book:
    """A ledger whose first writing waits until it is let go, and then fails or not."""

    def __init__(self, problem: Exception | None) -> None:
        self.problem, self.writings = problem, 0
        self.begun, self.go, self.again = threading.Event(), threading.Event(), threading.Event()

    def write(self) -> None:
        self.writings += 1
        if self.writings > 1:
            self.again.set()
            return
        self.begun.set()
        assert self.go.wait(30)
        if self.problem:
            raise self.problem


@pytest.fixture
def book(monkeypatch):
    def made(problem: Exception | None = None) -> Book:
        book = Book(problem)
        monkeypatch.setattr(visits, "ledger", book)
        monkeypatch.setattr(visits, "WRITE_SECONDS", 0.01)
        return book

    return made


def test_what_is_noted_during_a_writing_is_written_by_another(book):
    mine = book()

    async def noted():
        visits.write_soon()
        assert await asyncio.to_thread(mine.begun.wait, 30)
        visits.write_soon()
        mine.go.set()
        assert await asyncio.to_thread(mine.again.wait, 30)

    asyncio.run(noted())


def test_a_writing_that_failed_is_tried_again(book):
    mine = book(OSError("no database"))
    mine.go.set()

    async def noted():
        visits.write_soon()
        assert await asyncio.to_thread(mine.again.wait, 30)

    asyncio.run(noted())
