"""The Flask application: :func:`create_app` connects the other modules."""

import time
from collections.abc import Callable
from datetime import timedelta

from apiflask import APIFlask

from coordinator import api, auth, containment, logs, transport
from coordinator.access import audit
from coordinator.api import codec, document, parameters, rates, transfer
from coordinator.config import Settings, load_settings
from coordinator.scheduling.dispatch import CeleryDispatcher, Dispatcher
from coordinator.server.limits import USER_BODY_BYTES
from coordinator.services import EXTENSION, Services
from coordinator.store.hosts.enrolments import message_keys
from coordinator.store.rows.database import Store
from coordinator.trouble import watch
from coordinator.web import blueprint as web
from domain.hosts.environment import name_process

VERSION = "0.1.0"


class _App(APIFlask):
    request_class = codec.StrictRequest
    json_provider_class = codec.StrictJson


def create_app(
    settings: Settings | None = None,
    *,
    store: Store | None = None,
    dispatcher: Dispatcher | None = None,
    clock: Callable[[], float] = time.time,
) -> APIFlask:
    """Create the application. The schema must exist: ``showdown coordinator migrate``.

    Tests pass ``store``, ``dispatcher`` and ``clock``. Raises ``SettingsError``.
    """
    settings = settings or load_settings()
    # APIFlask's page of the document would load scripts from a CDN, which the content security policy forbids.
    app = _App("coordinator", title="Showdown", version=VERSION, spec_path="/api/v1/openapi.json", docs_path=None)
    _configure(app, settings)
    store = store or Store(settings.database_url)
    dispatcher = dispatcher or CeleryDispatcher(settings.broker_url, message_keys(store))
    app.extensions[EXTENSION] = Services(settings, store, dispatcher, clock, watch(settings, store, clock))
    logs.install(app)
    codec.install(app)
    rates.install(app)
    auth.install(app)
    audit.install(app)
    containment.install(app)
    transport.install(app, settings)
    transfer.install(app)
    parameters.install(app)
    document.install(app)
    api.register(app)
    app.register_blueprint(web)
    return app


def serve_app() -> APIFlask:
    """What gunicorn serves: the application, its log, and the watch of the parts that it needs."""
    name_process("showdown-web")
    settings = load_settings()
    logs.configure(settings)
    app = create_app(settings)
    found: Services = app.extensions[EXTENSION]
    found.watch.start()
    return app


def _configure(app: APIFlask, settings: Settings) -> None:
    app.config.update(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=USER_BODY_BYTES,
        PERMANENT_SESSION_LIFETIME=timedelta(days=auth.SESSION_DAYS),
        SESSION_COOKIE_NAME="showdown",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        SESSION_REFRESH_EACH_REQUEST=False,
        OPENAPI_VERSION="3.1.0",
        AUTO_SERVERS=False,  # the address of the first request would be everyone's
    )
