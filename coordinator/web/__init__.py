"""The web pages: sign in, submit, watch, read. Thin: decode, call the same functions as REST, render.

Nothing is scripted inline and nothing comes from elsewhere, as the content security policy demands. Pages work
without JavaScript; htmx only keeps them fresh.
"""

from coordinator.web import flames, matrix_page, trial_page, views
from coordinator.web.entry import blueprint

__all__ = ["blueprint", "flames", "matrix_page", "trial_page", "views"]
