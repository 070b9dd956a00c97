"""httpx transports that keep a deadline and do not slow down with many concurrent calls.

It is independent of the API and of the client's rules. A request may carry `extensions["deadline"]`, a time
on the monotonic clock; no wait for the request, its answer or its body lasts longer.

    with httpx.Client(transport=SyncShared("https://api.example.com", {}).get()) as client: ...
"""

from smarterproctoring_transport._async.shared import AsyncShared as AsyncShared
from smarterproctoring_transport._sync.shared import SyncShared as SyncShared
from smarterproctoring_transport.background import StillRunning as StillRunning
from smarterproctoring_transport.background import call_aside as call_aside
from smarterproctoring_transport.background import call_within as call_within
from smarterproctoring_transport.failures import NotSent as NotSent
from smarterproctoring_transport.failures import ProxyFailure as ProxyFailure
from smarterproctoring_transport.hosts import is_host as is_host
from smarterproctoring_transport.hosts import is_loopback as is_loopback
from smarterproctoring_transport.request import Requests as Requests
from smarterproctoring_transport.shared import Limits as Limits
from smarterproctoring_transport.shared import Proxy as Proxy
from smarterproctoring_transport.shared import TransportOptions as TransportOptions
from smarterproctoring_transport.unpack import Unpacker as Unpacker
