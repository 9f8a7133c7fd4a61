"""The web pages: sign in, submit, watch, read. Views are thin: decode, call the functions of REST, render.

The content security policy forbids inline scripts and content from other sites. Pages work without JavaScript; htmx
only refreshes them.
"""

from coordinator.web import compare_page, flames, host_page, matrix_page, quarantine_page, trial_page, views
from coordinator.web.entry import blueprint

__all__ = ["blueprint", "compare_page", "flames", "host_page", "matrix_page", "quarantine_page", "trial_page", "views"]
