"""The Celery application of a worker host: one queue, one process, one task at a time.

Tasks are acknowledged early, in JSON, without a result backend or prefetching. A redelivered load test would be a
wrong measurement, so the coordinator's lease decides who runs a block, not the broker.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from typing import Any

from celery import Celery, current_app
from celery.signals import worker_process_init, worker_ready
from celery.worker import state
from kombu import Queue

from domain.environment import PYTHON_OPTIONS, own_environment
from domain.jobs import HostCapabilities, queue_name
from domain.traits import TEST_TRAITS_TASK
from workers.agent.api_client import Coordinator
from workers.agent.config import WorkerSettings
from workers.agent.registration import HostRegistration
from workers.traits.matrix.reporter import MatrixReporter

PROBE_TIMEOUT_S = 60.0
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
    app.set_default()  # set_current() covers the main thread only
    return app


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _die_with_parent(**_: Any) -> None:
    # If a worker is killed, its child must not go on measuring next to the new worker's child.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


@worker_ready.connect  # type: ignore[untyped-decorator]
def _start_registration(**_: Any) -> None:
    settings = WorkerSettings.from_environment()
    coordinator = Coordinator(settings)
    matrix = MatrixReporter(
        settings.state_dir,
        coordinator.report_matrix,
        _task_counts,
        _request_tests if settings.tests_when_idle else None,
    )
    registration = HostRegistration(coordinator, lambda: probe_capabilities(settings.host), matrix.round)
    threading.Thread(target=registration.run, name="registration", daemon=True).start()


def _task_counts() -> tuple[int, int]:
    """Tasks received so far, and tasks in progress or reserved."""
    return sum(state.total_count.values()), len(state.active_requests) + len(state.reserved_requests)


def _request_tests() -> None:
    """Queue the trait tests for this host, behind all waiting tasks. Raises kombu's ``OperationalError``."""
    current_app.send_task(TEST_TRAITS_TASK)


def probe_capabilities(host: str) -> HostCapabilities:
    """What this host can run. A separate process finds out, because it loads BPF programs.

    Raises ``RuntimeError`` with its last words if it fails, ``subprocess.TimeoutExpired`` if it takes too long.
    """
    with os.fdopen(os.memfd_create("capabilities"), "rb") as answer:
        fd = answer.fileno()
        argv = [sys.executable, *PYTHON_OPTIONS, "-m", "workers.agent.capabilities", host, str(fd)]
        environment = own_environment(os.environ)
        done = subprocess.run(argv, capture_output=True, timeout=PROBE_TIMEOUT_S, env=environment, pass_fds=[fd])
        if done.returncode != 0:
            detail = done.stderr.decode(errors="replace").strip()[-500:]
            raise RuntimeError(f"{' '.join(argv[1:])} failed with status {done.returncode}: {detail}")
        answer.seek(0)
        return HostCapabilities.model_validate_json(answer.read())
