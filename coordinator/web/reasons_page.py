"""The page of reasons and words: why a trial is invalid, what a comparison found, and the glossary."""

from flask import render_template

from coordinator import auth
from coordinator.web.entry import blueprint
from coordinator.web.glossary import anchor_of, terms
from domain.reports.verdict_words import VerdictWord
from domain.trials.reasons import EXPLANATIONS, is_retried
from domain.trials.trial import REASON_CLASSES, Reason

blueprint.add_app_template_filter(anchor_of, "term_anchor")


@blueprint.get("/reasons")
@auth.public
def reasons() -> str:
    """Every reason against a trial, word of a verdict, and term; links lead to one of them, also on shared pages."""
    found = [(one.value, EXPLANATIONS[one], REASON_CLASSES[one].value, is_retried(one)) for one in sorted(Reason)]
    return render_template("web/reasons.html", reasons=found, words=list(VerdictWord), terms=terms())
