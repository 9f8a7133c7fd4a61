"""The Flask application: :func:`create_app` connects the other modules."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from apiflask import APIFlask

from coordinator import api, auth, containment, transport
from coordinator.api import codec
from coordinator.config import Settings, load_settings
from coordinator.scheduling.dispatch import CeleryDispatcher, Dispatcher
from coordinator.services import EXTENSION, Services
from coordinator.store.database import Store
from coordinator.store.enrolments import message_keys
from coordinator.web import blueprint as web
from domain.campaign import Campaign

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
    # The docs page would load scripts from a CDN, which the content security policy forbids.
    app = _App("coordinator", title="Showdown", version=VERSION, spec_path="/api/v1/openapi.json", docs_path=None)
    app.config.update(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=codec.USER_BODY_BYTES,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=auth.SESSION_HOURS),
        SESSION_COOKIE_NAME="showdown",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        SESSION_REFRESH_EACH_REQUEST=False,
        OPENAPI_VERSION="3.1.0",
    )
    store = store or Store(settings.database_url)
    app.extensions[EXTENSION] = Services(
        settings=settings,
        store=store,
        dispatcher=dispatcher or CeleryDispatcher(settings.broker_url, message_keys(store)),
        clock=clock,
    )
    codec.install(app)
    auth.install(app)
    containment.install(app)
    transport.install(app, settings)
    app.spec_processor(_complete_spec)
    api.register(app)
    app.register_blueprint(web)
    return app


def _complete_spec(spec: dict[Any, Any] | str) -> dict[Any, Any] | str:
    """Add what APIFlask cannot know: the tokens, and that a campaign may be JSON or TOML."""
    if isinstance(spec, str):  # the YAML form, which is not used here
        return spec
    components = spec.setdefault("components", {})
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    spec["security"] = [{"token": []}]
    schema = Campaign.model_json_schema(ref_template="#/components/schemas/Campaign.{model}")
    schemas = components.setdefault("schemas", {})
    schemas |= {f"Campaign.{name}": nested for name, nested in schema.pop("$defs", {}).items()}
    schemas["Campaign"] = schema
    spec["paths"]["/api/v1/campaigns"]["post"]["requestBody"] = {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Campaign"}},
            "application/toml": {"schema": {"type": "string"}},
        },
    }
    return spec
