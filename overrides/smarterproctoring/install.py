"""The view of the client for one install: the same operations, without the SID of the install."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Self

from smarterproctoring_generated.facade import InstallOperations
from smarterproctoring_generated.records import Hidden

from smarterproctoring._sync.sender import SyncSender
from smarterproctoring.errors import wrong_settings
from smarterproctoring.methods import SyncMethods
from smarterproctoring.prepare import INSTALL, check_install
from smarterproctoring.problems import Problem
from smarterproctoring.settings import PREFIX

if TYPE_CHECKING:
    from smarterproctoring_generated.operations import RescheduleExamSessionInstallItem

    from smarterproctoring.dry_run import DryRun  # noqa: F401 - in a base class, as text
    from smarterproctoring.many import Outcome


def checked_install(given: str | None, default: str | None) -> str:
    """Return the install of a view.

    Args:
        given: What the caller names; None for the client's own.
        default: The client's setting, which was checked when the client was made.

    Raises:
        ValidationError: What is given is not the SID of an install.
        ConfigurationError: There is neither.
    """
    if given is not None:
        check_install(given)
        return given
    if default is None:
        text = (
            "is missing: pass it to for_install, pass it to the client, "
            f"or set {PREFIX}INSTALL_SID for from_env"
        )
        raise wrong_settings([Problem(INSTALL, "missing", text)])
    return default


class InstallClient(SyncMethods, InstallOperations["DryRun"]):
    """What a client does, for one install: the methods do not take its SID. `SmarterProctoring.for_install` makes it.

    It has the connections, options and retry budget of the client, and ends when that is closed.
    """

    def __init__(self, sender: SyncSender, install_sid: str) -> None:
        self._sender = sender
        self._install_sid = install_sid

    def _with_sender(self, sender: SyncSender) -> Self:
        return type(self)(sender, self._install_sid)

    def reschedule_many(
        self,
        items: Iterable[RescheduleExamSessionInstallItem],
        *,
        concurrency: int = 16,
        rate: float | None = None,
    ) -> list[Outcome]:
        """Move many exam sessions; options, outcomes and errors as for `SmarterProctoring.reschedule_many`.

        Args:
            items: Each the arguments of `reschedule` by keyword, the SIDs of exam and session included.
            concurrency: How many calls run concurrently, 1 or more.
            rate: Calls per second at most; None for no limit.
        """
        given: Hidden[Iterable[Mapping[str, object]]] = Hidden(items)
        # A traceback with local variables must not show what they say of persons.
        del items
        return self._many(
            given, self.dry_run_reschedule, self.reschedule, concurrency, rate
        )
