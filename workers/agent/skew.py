"""Answers of a coordinator that may be newer: fields that this worker does not know are ignored."""

import json
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from domain.hosts.protocol import decode
from domain.service.jobs import BlockJob, BlockMessage
from domain.values.problems import problems_of
from workers.agent.answers import ForeignAnswer

Answer = TypeVar("Answer", bound=BaseModel)


class NotUnderstood(ForeignAnswer):
    """An answer that is not in the format of the worker API, or of a newer version that this worker cannot read."""


class UnreadableJob(NotUnderstood):
    """A claimed attempt that this worker cannot run; ``lease`` allows it to report that."""

    def __init__(self, message: str, lease: str) -> None:
        super().__init__(message)
        self.lease = lease


class AnotherJob(NotUnderstood):
    """The answer to a claim is about another attempt than the one that was asked for."""


def understood(model: type[Answer], text: str) -> Answer:
    """Read an answer. Raises :class:`NotUnderstood`."""
    try:
        return decode(model, json.loads(text), tolerant=True)
    except ValidationError as error:
        raise NotUnderstood(f"the coordinator's answer cannot be read: {problems_of(error)[0]}") from error
    except (ValueError, RecursionError) as error:
        raise NotUnderstood(f"the coordinator's answer is not JSON: {error}") from error


def claimed_job(text: str, message: BlockMessage, host: str) -> BlockJob:
    """The job that was asked for. Raises :class:`NotUnderstood` or a subclass."""
    try:
        job = understood(BlockJob, text)
    except NotUnderstood as error:
        if lease := _lease_in(text):
            raise UnreadableJob(f"this worker cannot run the block, upgrade it: {error}", lease) from error
        raise
    asked, given = (message.block_id, message.attempt, host), (job.block_id, job.attempt, job.block.host)
    if asked != given or job.block_id.rpartition("-")[0] != job.campaign_id:
        raise AnotherJob(f"the answer is about block {job.block_id}, attempt {job.attempt}, host {job.block.host}")
    return job


def _lease_in(text: str) -> str:
    try:
        lease = json.loads(text)["lease"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return lease if isinstance(lease, str) else ""
