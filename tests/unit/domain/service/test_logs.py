"""Log lines: one per event and cause, repeated rarely, without secrets."""

import io
import json
import logging

import pytest

from domain.service.logs import PER_EVENT, WINDOW_S, Repeats, handler, one_line, without_secrets


class Log:
    """A logger whose lines and time a test owns."""

    def __init__(self, kind="text", secrets=()):
        self.now = 0.0
        self.stream = io.StringIO()
        made = handler(self.stream, kind, secrets)
        made.filters[:] = [Repeats(lambda: self.now)]
        self.logger = logging.Logger("thing")
        self.logger.addHandler(made)

    @property
    def lines(self):
        return self.stream.getvalue().splitlines()


def fail(log, text="a round failed", error=None):
    try:
        raise error or ValueError("the first line\nthe second")
    except (ValueError, RuntimeError):
        log.logger.exception(text)


@pytest.fixture
def log():
    return Log()


def test_an_exception_is_one_line_that_names_its_place(log):
    fail(log)
    (line,) = log.lines
    assert "ERROR thing: a round failed: ValueError: the first line (test_logs.py:" in line


def test_one_cause_is_written_once_a_window_with_how_often_it_came(log):
    for second in range(round(WINDOW_S) + 1):
        log.now = float(second)
        fail(log)
    assert len(log.lines) == 2
    assert f"({round(WINDOW_S) - 1} more since the last such line)" in log.lines[1]


def test_other_causes_are_written_too_but_not_without_limit(log):
    for number in range(3 * PER_EVENT):
        log.logger.warning("block %d was not sent", number)
    assert len(log.lines) == PER_EVENT
    log.logger.warning("something else")
    assert log.lines[-1].endswith("something else")


def test_information_is_always_written(log):
    for _ in range(3):
        log.logger.info("started again")
    assert len(log.lines) == 3


def test_a_message_of_several_lines_is_one_line(log):
    log.logger.warning("one\ntwo")
    assert len(log.lines) == 1


def test_json_has_one_object_per_line_with_the_trace():
    log = Log("json")
    fail(log)
    (line,) = log.lines
    found = json.loads(line)
    assert found["level"] == "ERROR"
    assert found["message"].startswith("a round failed: ValueError")
    assert "Traceback" in found["trace"]


@pytest.mark.parametrize("kind", ["text", "json"])
def test_no_secret_is_written(kind):
    log = Log(kind, secrets=["given-by-the-settings"])
    fail(log, error=RuntimeError("redis://:hunter2hunter2@redis.test/0 and given-by-the-settings"))
    log.logger.warning("Authorization: Bearer %s", "abcdefghijklmnop")
    text = log.stream.getvalue()
    for secret in ("hunter2", "given-by", "abcdefgh"):
        assert secret not in text
    assert "redis.test" in text


def test_what_is_no_secret_stays():
    for text in ("block rdm6qmg7-0.1 was not sent", "the token is missing", "http://127.0.0.1:8400/x", "lease expired"):
        assert without_secrets(text) == text


def test_an_error_without_words_is_named_by_its_type():
    assert one_line(TimeoutError()) == "TimeoutError"
