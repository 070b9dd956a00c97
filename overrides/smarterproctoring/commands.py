"""For distributions that add a command to `smarterproctoring`: what the command line itself is made of.

Such a command is an entry point of the group `smarterproctoring.commands`: a function that takes the arguments after
the command's name, and returns the exit code or ends the process.
"""

from smarterproctoring_generated.parsing import moment_of

from smarterproctoring.comparison import compare, of_another, utc_text
from smarterproctoring.prepare import install_problem, keyword_problems, path_problem
from smarterproctoring.profiles import Profile, read_profile
from smarterproctoring.rules import Item, item_from_text, keyword_items, path_parameters
from smarterproctoring.settings import base_url_problem, read_environment
from smarterproctoring.times import (
    TimeError,
    length_problem,
    limit_problem,
    order_of,
    read_time,
)
from smarterproctoring.token_file import TokenFile
from smarterproctoring.zones import ZoneError, place, zone

try:
    from smarterproctoring.terminal import colors, uninterrupted, visible
except ImportError as missing:
    raise ImportError(
        f"{missing.name} is missing; install the command line with: "
        "pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client[cli]'",
        name=missing.name,
    ) from None

__all__ = [
    "Item",
    "Profile",
    "TimeError",
    "TokenFile",
    "ZoneError",
    "base_url_problem",
    "colors",
    "compare",
    "install_problem",
    "item_from_text",
    "keyword_items",
    "keyword_problems",
    "length_problem",
    "limit_problem",
    "moment_of",
    "of_another",
    "order_of",
    "path_parameters",
    "path_problem",
    "place",
    "read_environment",
    "read_profile",
    "read_time",
    "uninterrupted",
    "utc_text",
    "visible",
    "zone",
]
