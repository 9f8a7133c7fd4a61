"""A worker's log: one form, and no secrets."""

import json
import logging

import pytest

from workers.agent.config import ConfigError
from workers.agent.logs import configure


@pytest.fixture(autouse=True)
def root():
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:], logger.level = handlers, level


def test_lines_are_json_on_request_and_hold_no_token(capsys):
    configure("INFO", {"SHOWDOWN_LOG_FORMAT": "json", "SHOWDOWN_HOST_TOKEN": "the-token-of-this-worker"})
    logging.getLogger("celery").warning("the broker refused the-token-of-this-worker")
    line = json.loads(capsys.readouterr().err)
    assert (line["logger"], line["message"]) == ("celery", "the broker refused ***")


def test_an_unknown_format_is_refused():
    with pytest.raises(ConfigError, match="must be text or json"):
        configure("INFO", {"SHOWDOWN_LOG_FORMAT": "xml"})
