"""The headers that every request has."""

import sys

from smarterproctoring_generated.operations import VERSION as API_VERSION

from smarterproctoring._version import VERSION
from smarterproctoring.settings import Options

USER_AGENT = f"smarterproctoring-client/{VERSION} openapi/{API_VERSION} python/{sys.version.split()[0]}"


def common_headers(options: Options) -> dict[str, str]:
    """Return the headers of each request with these options."""
    headers = {
        "accept": "application/json",
        "user-agent": USER_AGENT,
        **options.headers,
    }
    # Answers are tiny, and a compressed one could be a bomb.
    headers["accept-encoding"] = "identity"
    return headers
