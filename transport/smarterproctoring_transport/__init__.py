"""How bytes travel: httpx transports that keep a deadline and do not slow down with many calls at once.

It knows nothing of any API and of no rule of the client above it. A request may carry `extensions["deadline"]`, a time
on the monotonic clock; no wait for the request, its answer or its body lasts longer.

    with httpx.Client(transport=Shared("https://api.example.com", {}).get()) as client: ...
"""

from smarterproctoring_transport.request import Requests as Requests
from smarterproctoring_transport.shared import Shared as Shared
from smarterproctoring_transport.shared import TransportOptions as TransportOptions
from smarterproctoring_transport.shared import is_host as is_host
from smarterproctoring_transport.shared import is_loopback as is_loopback
from smarterproctoring_transport.steps import finish as finish
from smarterproctoring_transport.steps import limit as limit
from smarterproctoring_transport.steps import settled as settled
from smarterproctoring_transport.steps import sleep as sleep
from smarterproctoring_transport.steps import together as together
