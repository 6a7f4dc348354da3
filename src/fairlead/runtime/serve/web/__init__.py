"""What people see of a server: its OpenAPI document, its documentation, and a form for each model.

Hand-written HTML, one style sheet and one script, all from this package: nothing comes from elsewhere, so it works
without a network and under a Content-Security-Policy that allows nothing inline.
"""

from fairlead.runtime.serve.web.site import Site, is_frame

__all__ = ["Site", "is_frame"]
