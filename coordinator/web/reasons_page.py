"""The page of reasons: why a trial is invalid, the usual cause, and what to do."""

from flask import render_template

from coordinator import auth
from coordinator.web.entry import blueprint
from domain.reasons import EXPLANATIONS, is_retried
from domain.trial import REASON_CLASSES, Reason
from domain.verdict_words import VerdictWord


@blueprint.get("/reasons")
@auth.public
def reasons() -> str:
    """Every reason against a trial, and every word of a verdict; links lead to one of them, also on shared pages."""
    found = [(one.value, EXPLANATIONS[one], REASON_CLASSES[one].value, is_retried(one)) for one in sorted(Reason)]
    return render_template("web/reasons.html", reasons=found, words=list(VerdictWord))
