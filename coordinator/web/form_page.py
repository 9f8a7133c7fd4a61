"""The routes of the form: presets, submission, the live estimate, TOML, and input that outlives its session."""

from collections.abc import Callable

from flask import abort, make_response, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException, TooManyRequests, Unauthorized
from werkzeug.wrappers import Response

from coordinator import auth
from coordinator.api import campaigns as api
from coordinator.api.catalogue import host_list, variant_list
from coordinator.api.submitted import read_submitted
from coordinator.services import services
from coordinator.store.lifecycle.planning import plan_of
from coordinator.store.lifecycle.submission import admitted
from coordinator.web import form as forms
from coordinator.web.choices import choice_of, in_order
from coordinator.web.entry import blueprint, error_page, to_sign_in
from coordinator.web.level_rows import KINDS
from coordinator.web.presets import EMPTY, REFERENCE, Preset, fitted, left_out, presets, reference_campaign
from coordinator.web.problem_links import entries, open_folds, said, toml_entries
from domain.campaigns.campaign import Campaign, toml_data
from domain.campaigns.estimate import Estimate, estimate_of
from domain.campaigns.toml_text import toml_text
from domain.loads.condition_terms import grouped
from domain.loads.crossing import MAX_LEVELS
from domain.values.problems import InvalidInput, Problem

_FAMILIES = ("datapaths", "workloads", "probes")
_NOT_INPUT = frozenset({auth.CSRF_FIELD, "token", "next", "submit", "plan", "add_level"})  # buttons, and secrets
_START = frozenset({"datapaths", "traffic", "levels"})  # folds that are open in an empty form
_STALE = "Nothing was submitted: this page is older than your session. Your input is below; submit it again."
_AGAIN = "You are signed in again. Nothing was submitted yet: your input is below."

Page = tuple[str, int] | Response

blueprint.add_app_template_filter(said, "said")
blueprint.add_app_template_global(grouped, "condition_terms")


@blueprint.get("/campaigns/new")
def new_campaign() -> str:
    """The form, filled with a preset (``?preset=quick``) or an earlier campaign (``?like=<id>``)."""
    if (earlier := _earlier()) is not None:
        return form_page(forms.of_campaign(earlier))
    key = request.args.get("preset", REFERENCE)
    if key == EMPTY:
        return form_page(forms.submitted(MultiDict()), preset=key)
    found = _preset(key).campaign
    data = fitted(found, _available())
    form = forms.shown(data) if "preset" in request.args else forms.blank(data)
    return form_page(form, preset=key, missing=left_out(found, data))


@blueprint.get("/campaigns/new/toml")
def new_toml() -> str:
    """The page for a campaign as TOML, filled with a preset or an earlier campaign, as the form is; else empty."""
    if (earlier := _earlier()) is not None:
        return toml_page(toml_text(earlier))
    key = request.args.get("preset", EMPTY)
    return toml_page("" if key in ("", EMPTY) else _preset(key).toml)


def _earlier() -> Campaign | None:
    """The campaign that ``?like=<id>`` names. Aborts with 404 if it is unknown."""
    like = request.args.get("like")
    return None if like is None else Campaign.model_validate(api.get_view(like)["campaign"])


def _preset(key: str) -> Preset:
    """The preset of a key. Aborts with 404 if there is none, and says which there are."""
    if key not in presets():
        abort(404, f"there is no preset {key[:40]!r}; the presets are {', '.join((EMPTY, *presets()))}")
    return presets()[key]


@blueprint.post("/campaigns")
def submit_campaign() -> Page:
    """Submit the form or the TOML; if there are problems, show it again with its input."""
    if request.form.get("add_level"):
        return form_page(forms.submitted(request.form), spare_levels=1, opened=frozenset({"levels"})), 200
    try:
        if request.form.get("plan"):
            return form_page(forms.submitted(request.form), estimate=_estimate(_submitted_campaign())), 200
        campaign_id = api.submit_campaign(_submitted_campaign())
    except InvalidInput as error:
        return _again(error.problems), 422
    return redirect(url_for("web.campaign", campaign_id=campaign_id), code=303)


@blueprint.post("/campaigns/preview")
def preview_campaign() -> str:
    """The estimate of what is typed, as a fragment."""
    try:
        return render_template("web/_estimate.html", estimate=_estimate(_submitted_campaign()))
    except InvalidInput as error:
        return render_template("web/_estimate.html", open=len(error.problems))


@blueprint.post("/sign-in/form")
@auth.public
def continue_form() -> Page:
    """The form with the input of a session that had ended. It signs in with the token, and submits nothing."""
    if not auth.is_signed_in():
        auth.check_csrf()
        try:
            if not auth.sign_in(request.form.get("token", "")):
                return _sign_in_with_input("This token is wrong."), 403
        except TooManyRequests as error:
            return _sign_in_with_input(error.description or ""), 429
    return _again((), notice=_AGAIN), 200


@blueprint.errorhandler(Unauthorized)
def _session_has_ended(_error: Unauthorized) -> Page:
    if request.endpoint == "web.submit_campaign":
        return _unless_refused(lambda: (_sign_in_with_input(""), 401))
    if request.endpoint == "web.preview_campaign":  # the page stays, and so does what is typed
        return render_template("web/_estimate.html", ended=True), 401
    return to_sign_in()


@blueprint.errorhandler(auth.StaleToken)
def _token_is_stale(error: auth.StaleToken) -> Page:
    if request.endpoint == "web.submit_campaign" and auth.is_signed_in():
        return _unless_refused(lambda: (_again((), notice=_STALE), 403))
    if request.endpoint == "web.preview_campaign" and auth.is_signed_in():
        return _unless_refused(lambda: (preview_campaign(), 403))  # the fragment is shown: it changes nothing
    return render_template("web/error.html", title="Not allowed", message=error.description), 403


def form_page(
    form: forms.Form,
    *,
    spare_levels: int = 0,
    estimate: Estimate | None = None,
    notice: str = "",
    preset: str = "",
    missing: tuple[str, ...] = (),
    opened: frozenset[str] = frozenset(),
) -> str:
    """The page of the form; ``missing`` of the preset is what no online host can run."""
    with services().store.read() as session:
        now = services().clock()
        variants = {family: variant_list(session, family, now) for family in _FAMILIES}
        known_hosts = host_list(session, now)
    reference = reference_campaign()
    choices = {
        family: in_order(
            [choice_of(variant) for variant in found],
            form.chosen.get(family, ()),
            (*form.chosen.get(family, ()), *getattr(reference, family)),
        )
        for family, found in variants.items()
    }
    return render_template(
        "web/new_campaign.html",
        form=form.with_rows(spare_levels),
        entries=entries(form),
        opened=opened | open_folds(form) | (_START if preset == EMPTY else frozenset()),
        estimate=estimate,
        notice=notice,
        preset=preset,
        presets=presets().values(),
        missing=missing,
        kinds=KINDS,
        most_levels=MAX_LEVELS,
        choices=choices,
        hosts=known_hosts,
        references=form.references([choice.name for choice in choices["datapaths"]]),
    )


def toml_page(text: str, problems: tuple[Problem, ...] = (), notice: str = "") -> str:
    """The page for TOML, with the problems of its lines."""
    return render_template("web/new_toml.html", toml=text, entries=toml_entries(text, problems), notice=notice)


def _unless_refused(page: Callable[[], Page]) -> Page:
    """What an error ends in. The input that it shows again may be refused, too; then that is the answer."""
    try:
        return page()
    except HTTPException as refusal:
        return make_response(error_page(refusal))


def _again(problems: tuple[Problem, ...], notice: str = "") -> str:
    """The page from which the input came, with the input."""
    if "toml" in request.form:
        return toml_page(request.form["toml"], problems, notice)
    return form_page(forms.submitted(request.form, problems), notice=notice)


def _sign_in_with_input(error: str) -> str:
    """The sign-in page, which sends the input on to :func:`continue_form`."""
    kept = [(name, value) for name, value in request.form.items(multi=True) if name not in _NOT_INPUT]
    return render_template("web/sign_in.html", error=error, next="", kept=kept)


def _available() -> dict[str, list[str]]:
    """By family: what some online host can run."""
    with services().store.read() as session:
        now = services().clock()
        found = {family: variant_list(session, family, now) for family in _FAMILIES}
    return {family: [one.name for one in variants if one.available] for family, variants in found.items()}


def _submitted_campaign() -> Campaign:
    """Raises :class:`InvalidInput`."""
    if "toml" in request.form:
        return read_submitted(toml_data(request.form["toml"]))
    return read_submitted(forms.mapping_of(request.form), more=forms.repeated_names(request.form))


def _estimate(campaign: Campaign) -> Estimate:
    """Raises :class:`InvalidInput`."""
    with services().store.read() as session:
        campaign, hosts = admitted(session, campaign, services().clock())
        plan = plan_of(session, campaign, hosts)
    return estimate_of(campaign, plan, tuple(host.host for host in hosts))


def resubmitted(campaign: Campaign) -> Page:
    """Submit an earlier campaign again; if that cannot be, the form shows it with the problems."""
    try:
        campaign_id = api.submit_campaign(campaign)
    except InvalidInput as error:
        return form_page(forms.of_campaign(campaign, error.problems)), 422
    return redirect(url_for("web.campaign", campaign_id=campaign_id), code=303)
