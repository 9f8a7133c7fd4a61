"""The Celery application of a worker host: one queue, one process, one task at a time.

Messages are authentic and of known tasks (see :mod:`workers.agent.inbox`); nothing else reaches Celery. They are
acknowledged early, in JSON, without a result backend or prefetching. A redelivered load test would be a wrong
measurement, so the coordinator's lease decides who runs a block, not the broker. Celery's remote control is off: it
would let everyone with access to Redis stop a worker.
"""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from celery import Celery
from celery.signals import worker_process_init, worker_ready
from celery.worker import state
from kombu import Queue

from domain.hosts.environment import PYTHON_OPTIONS, own_environment
from domain.service.jobs import HostCapabilities, queue_name
from domain.service.vitals import HostVitals
from workers.agent.api_client import Coordinator, outbox_dir
from workers.agent.broker import transport_settings
from workers.agent.config import WorkerSettings
from workers.agent.host_load import HostLoad
from workers.agent.inbox import Inbox
from workers.agent.metrics import Live, WorkerMetrics
from workers.agent.metrics_server import serve
from workers.agent.own_queue import OwnQueue
from workers.agent.registration import HostRegistration, end_process, indispensable
from workers.agent.watchdog import Watchdog
from workers.lab.cgroup_limits import own_limits
from workers.traits.matrix.reporter import MatrixReporter

log = logging.getLogger(__name__)

PROBE_TIMEOUT_S = 60.0
_PR_SET_PDEATHSIG = 1
END_GRACE_S = 20.0  # a Celery that no longer reads may not end either


def create_worker(settings: WorkerSettings) -> Celery:
    """The Celery application for one host."""
    app = Celery("showdown-worker", include=["workers.agent.tasks"])
    queue = queue_name(settings.host)
    app.inbox = Inbox(queue, settings.message_key)
    app.conf.update(
        **transport_settings(settings.broker_url, app.inbox),
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
        worker_enable_remote_control=False,
        broker_connection_retry_on_startup=True,
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
def _start_threads(sender: Any, **_: Any) -> None:
    with indispensable("start to register this host"):
        settings, app = WorkerSettings.from_environment(), sender.app
        coordinator, own_queue = Coordinator(settings), own_queue_of(app, settings)
        try:
            own_queue.forget_lost_requests()
        except Exception as error:  # kombu, redis and socket errors share no base class; the request expires
            log.warning("requests for tests were not looked at: %s", error)
        watchdog = Watchdog(
            taken=lambda: app.inbox.taken,
            waiting=own_queue.waiting,
            busy=lambda: bool(state.active_requests),
            end=_end_now,
        )
        matrix = MatrixReporter(
            settings.state_dir,
            coordinator.report_matrix,
            _task_counts,
            own_queue.request_tests if settings.tests_when_idle else None,
        )
        load = HostLoad()
        registration = HostRegistration(
            coordinator,
            lambda: probe_capabilities(settings.host),
            matrix.round,
            report_vitals=lambda: coordinator.report_vitals(_vitals(app.inbox, watchdog, load)),
        )
        _serve_metrics(settings, app.inbox, watchdog, registration)
        threading.Thread(target=watchdog.run, name="watchdog", daemon=True).start()
        threading.Thread(target=registration.run, name="registration", daemon=True).start()


def _serve_metrics(settings: WorkerSettings, inbox: Inbox, watchdog: Watchdog, registration: HostRegistration) -> None:
    if settings.metrics is None:
        return
    live = Live(
        waiting=lambda: watchdog.queued,
        taken=lambda: inbox.taken,
        dropped=lambda: inbox.dropped,
        life_at_s=lambda: registration.life_at_s,
        throttled_s=own_limits().throttled_s,
    )
    try:
        serve(settings.metrics, WorkerMetrics(settings, outbox_dir(settings.state_dir), live))
    except OSError as error:  # no block depends on it
        log.warning("metrics are not served at %s (SHOWDOWN_WORKER_METRICS): %s", settings.metrics, error)


def own_queue_of(app: Celery, settings: WorkerSettings) -> OwnQueue:
    """This host's queue."""
    return OwnQueue(app, settings.host, settings.message_key)


def _vitals(inbox: Inbox, watchdog: Watchdog, load: HostLoad) -> HostVitals:
    return HostVitals(
        clock_s=time.time(), heard_s=inbox.heard_s, dropped=inbox.dropped, broker_error=watchdog.broker_error,
        load_1m=load.load_1m, stolen=load.stolen(),
    )  # fmt: skip


def _end_now() -> None:
    """End the worker, and if Celery does not, end the process. No task is running."""
    end_process()
    killer = threading.Timer(END_GRACE_S, os._exit, [1])
    killer.daemon = True
    killer.start()


def _task_counts() -> tuple[int, int]:
    """Tasks received so far, and tasks in progress or reserved."""
    return sum(state.total_count.values()), len(state.active_requests) + len(state.reserved_requests)


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
