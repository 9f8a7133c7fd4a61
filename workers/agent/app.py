"""The Celery application of a worker host: one queue, one process, one task at a time.

Early ack, JSON only, no result backend, nothing prefetched: a redelivered load test would be a wrong measurement, so
the lease decides, not the broker (DESIGN, "How a campaign flows").
"""

import ctypes
import logging
import signal
import subprocess
import sys
import threading
from typing import Any

import httpx
from celery import Celery, current_app
from celery.signals import worker_process_init, worker_ready
from celery.worker import state
from kombu import Queue
from kombu.exceptions import OperationalError

from domain.jobs import HostCapabilities, queue_name
from domain.traits import TEST_TRAITS_TASK
from workers.agent.api_client import Coordinator, Refused
from workers.agent.config import WorkerSettings
from workers.traits.matrix.reporter import MatrixReporter

log = logging.getLogger(__name__)

SIGN_OF_LIFE_S = 30.0
_PR_SET_PDEATHSIG = 1


def create_worker(settings: WorkerSettings) -> Celery:
    """The Celery application for one host."""
    app = Celery("showdown-worker", broker=settings.broker_url, include=["workers.agent.tasks"])
    queue = queue_name(settings.host)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_acks_late=False,
        task_queues=[Queue(queue)],
        task_default_queue=queue,
        task_create_missing_queues=False,
        worker_prefetch_multiplier=1,
        worker_concurrency=1,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_enable_remote_control=True,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"socket_timeout": 30, "socket_connect_timeout": 5},
        timezone="UTC",
    )
    app.set_current()
    app.set_default()  # the current one is the main thread's only
    return app


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _die_with_the_parent(**_: Any) -> None:
    # A killed worker must not leave a child that goes on measuring beside the next worker's.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


@worker_ready.connect  # type: ignore[untyped-decorator]
def _introduce(**_: Any) -> None:
    threading.Thread(target=_keep_registered, args=(WorkerSettings.from_environment(),), daemon=True).start()


def _keep_registered(settings: WorkerSettings) -> None:
    coordinator = Coordinator(settings)
    capabilities = probe_capabilities(settings.host)
    telling = MatrixReporter(
        settings.state_dir, coordinator.tell_matrix, _work, _ask_for_matrix if settings.tests_when_idle else None
    )
    pause_s, wait = 0.5, threading.Event()
    while True:
        try:
            coordinator.register(capabilities)
            coordinator.deliver()
            telling.round()
            pause_s = SIGN_OF_LIFE_S
        except (httpx.HTTPError, Refused, OperationalError) as error:
            log.warning("the coordinator does not know this host yet, or not all of it: %s", error)
            pause_s = min(pause_s * 2, SIGN_OF_LIFE_S)
        wait.wait(pause_s)


def _work() -> tuple[int, int]:
    """How many tasks this worker has had, and how many it has now."""
    return sum(state.total_count.values()), len(state.active_requests) + len(state.reserved_requests)


def _ask_for_matrix() -> None:
    """A message to this host itself, behind whatever is there. Raises kombu's ``OperationalError``."""
    current_app.send_task(TEST_TRAITS_TASK)


def probe_capabilities(host: str) -> HostCapabilities:
    """What this host can run, found out by a process of its own: it loads BPF programs to see whether they load."""
    argv = [sys.executable, "-m", "workers.agent.capabilities", host]
    output = subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout
    return HostCapabilities.model_validate_json(output)
