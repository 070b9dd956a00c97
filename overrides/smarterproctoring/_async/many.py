"""What each worker of `reschedule_many` does."""

from __future__ import annotations

from smarterproctoring_generated.results import Result

from smarterproctoring._async.waits import Calling, Sleep
from smarterproctoring.errors import SmarterProctoringError
from smarterproctoring.many import Many


async def work(many: Many, call: Calling[Result[None]], sleep: Sleep) -> None:
    """Send items until none is left or the token is refused; a refused token would fail every other item, too."""
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
