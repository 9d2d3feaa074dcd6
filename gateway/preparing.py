"""Has the model read prompts ahead, while nobody waits for it."""

import asyncio
import contextvars
from collections.abc import Callable

import grpc

from antiphon.v1 import llm_pb2
from antiphon.v1.stage_pb2 import TurnRef
from gateway.conversation import commands as c
from gateway.options import Options
from gateway.stages.directory import Stages
from gateway.stages.llm import to_messages
from services.runtime.errors import InvalidArgument, from_rpc_error
from services.runtime.logs import get_logger
from services.runtime.telemetry import tracing
from services.runtime.words import Words

log = get_logger(__name__)


class Preparing:
    """One prompt at a time; of those that are asked for meanwhile only the last one counts.

    Args:
        conversation_id: as the client knows it.
        stages: one of them reads.
        deliver: is told what the model refuses to begin with.
    """

    def __init__(
        self,
        conversation_id: str,
        stages: Stages,
        deliver: Callable[[c.Notice], None],
    ) -> None:
        self._turn = TurnRef(conversation_id=conversation_id)
        self._stages = stages
        self._deliver = deliver
        # Whoever says that there is something to read may be a call of a turn's; what is read is no part of it.
        self._context = contextvars.copy_context()
        self._wanted: tuple[c.Prepare, Options] | None = None
        self._task: asyncio.Task[None] | None = None

    def want(self, prepare: c.Prepare, options: Options) -> None:
        """Have this read, with the tools and by the model of these options."""
        self._wanted = prepare, options
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), context=self._context.copy())

    def drop(self) -> None:
        """What is still to be read ahead is read now."""
        self._wanted = None

    async def close(self) -> None:
        """Read nothing any more."""
        self._wanted = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while self._wanted is not None:
            wanted, self._wanted = self._wanted, None
            await self._prepare(*wanted)

    async def _prepare(self, asked: c.Prepare, options: Options) -> None:
        request = llm_pb2.PrepareRequest(
            turn=self._turn,
            messages=to_messages(asked.messages),
            tools=options.tools,
            model=options.model,
        )
        try:
            # No turn's: it is read for whichever comes next, and its spans hang below the conversation's.
            await self._stages.llm.Prepare(
                request,
                timeout=options.policy.llm_timeout,
                metadata=tracing.inject(),
            )
        except grpc.aio.AioRpcError as error:
            problem = from_rpc_error(error, "llm")
            if isinstance(problem, InvalidArgument) and asked.opening:
                self._deliver(c.Refuse(f"config.{problem.field}", problem.problem))
            else:
                log.warning(
                    "the prompt was not prepared; the first answer may be slow",
                    code=problem.code.name,
                    # What a model's server says may repeat the user's words; the proxy's log has the rest.
                    reason=Words(problem),
                )
