"""The routes of the web pages: campaigns and their fragments, trials."""

from typing import Any

from flask import Response, abort, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from coordinator.api import campaigns as api
from coordinator.api.catalogue import VariantOnHosts, host_list, variant_list
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.services import services
from coordinator.store import views as store_views
from coordinator.web import form as forms
from coordinator.web.entry import blueprint
from coordinator.web.showdown_table import (
    primary_verdicts,
)
from domain.campaign import Campaign, read_campaign, read_campaign_toml
from domain.crossing import MAX_LEVELS
from domain.planning import Plan
from domain.problems import InvalidInput

_HEADLINES = 3  # verdicts per campaign in the list
_FAMILIES = ("datapaths", "workloads", "probes")


@blueprint.get("/")
def home() -> AnyResponse:
    """Redirect to the list of campaigns."""
    return redirect(url_for("web.campaigns"))


@blueprint.get("/campaigns")
def campaigns() -> str:
    """Every campaign, newest first."""
    return render_template("web/campaigns.html", **_campaign_list())


@blueprint.get("/campaigns/rows")
def campaign_rows() -> str:
    """The fragment of the list, polled while a campaign is running."""
    return render_template("web/_campaign_list.html", **_campaign_list())


@blueprint.get("/campaigns/<campaign_id>/headline")
def headline(campaign_id: str) -> Response:
    """The list's last column: the first primary verdicts, those with a finding before the unclear ones."""
    report = api.report_of(campaign_id)
    response = make_response(render_template("web/_headline.html", verdicts=primary_verdicts(report)[:_HEADLINES]))
    if CampaignState(report.campaign["state"]).ended:
        response.headers["Cache-Control"] = "private, max-age=3600"
    return response


@blueprint.get("/campaigns/new")
def new_campaign() -> str:
    """The form, filled with the reference campaign or the campaign ``?like=<id>``."""
    like = request.args.get("like")
    if like is None:
        return _form_page()
    return _form_page(forms.of_campaign(Campaign.model_validate(api.get_view(like)["campaign"])))


@blueprint.post("/campaigns")
def submit_campaign() -> AnyResponse | tuple[str, int]:
    """Submit the form or the pasted TOML; if there are problems, show the form again with its input."""
    if request.form.get("add_level"):
        return _form_page(forms.submitted(request.form), spare_levels=1), 200
    try:
        if request.form.get("plan"):
            return _form_page(forms.submitted(request.form), plan=api.plan_campaign(_submitted_campaign())), 200
        campaign_id = api.submit_campaign(_submitted_campaign())
    except InvalidInput as error:
        if "toml" in request.form:
            return _form_page(forms.with_toml(request.form["toml"], error.problems)), 422
        return _form_page(forms.submitted(request.form, error.problems)), 422
    return redirect(url_for("web.campaign", campaign_id=campaign_id), code=303)


def _campaign_list() -> dict[str, Any]:
    before = request.args.get("before", "")
    try:
        page = api.campaign_page(store_views.LISTED, before)
    except InvalidInput as error:
        abort(404, error.problems[0].message)
    live = any(not CampaignState(c["state"]).ended for c in page["campaigns"])
    return {**page, "before": before, "live": live}


def _form_page(form: forms.Form | None = None, spare_levels: int = 0, plan: Plan | None = None) -> str:
    with services().store.read() as session:
        now = services().clock()
        variants = {family: variant_list(session, family, now) for family in _FAMILIES}
        known_hosts = host_list(session, now)
    if form is None:
        form = forms.blank({family: [v.name for v in found if v.available] for family, found in variants.items()})
    choices = {
        family: forms.in_order([_choice(v) for v in found], form.chosen.get(family, ()))
        for family, found in variants.items()
    }
    return render_template(
        "web/new_campaign.html",
        form=form.with_rows(spare_levels),
        plan=plan,
        most_levels=MAX_LEVELS,
        choices=choices,
        hosts=known_hosts,
        references=form.references([choice.name for choice in choices["datapaths"]]),
    )


def _choice(variant: VariantOnHosts) -> forms.Choice:
    return forms.Choice(
        name=variant.name,
        summary=variant.summary,
        tracking=variant.tracking,
        function=variant.function or "",
        level_kinds=tuple(variant.level_kinds),
        parameters=tuple(variant.parameters),
        available=variant.available,
        reasons=tuple(f"{host}: {', '.join(reasons)}" for host, reasons in variant.hosts.items() if reasons)
        or (() if variant.available else ("no online host has it",)),
    )


def _submitted_campaign() -> Campaign:
    """Raises :class:`InvalidInput`."""
    if "toml" in request.form:
        return read_campaign_toml(request.form["toml"])
    repeated = forms.repeated_names(request.form)
    try:
        found = read_campaign(forms.mapping_of(request.form))
    except InvalidInput as error:
        raise InvalidInput([*error.problems, *repeated]) from error
    if repeated:
        raise InvalidInput(repeated)
    return found
