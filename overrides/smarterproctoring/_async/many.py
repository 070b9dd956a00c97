"""What each worker of `reschedule_many` does."""

from __future__ import annotations

from smarterproctoring_generated.results import Result

from smarterproctoring._async.waits import Calling, Sleep
from smarterproctoring.errors import SmarterProctoringError
from smarterproctoring.many import Many


async def work(many: Many, call: Calling[Result[None]], sleep: Sleep) -> None:
    """Take items until there are none, or a token is refused, which it would be for each of the rest as well."""
    while (turn := many.next_turn()) is not None:
        if turn.wait > 0:
            await sleep(turn.wait)
        if not many.begin(turn.place):
            return
        try:
            many.end(turn.place, await call(**turn.item.reveal()))
        except SmarterProctoringError as error:
            many.end(turn.place, error)
        except BaseException as interrupt:
            many.cut_short(turn.place, interrupt)
            raise
