"""Admission: who waits for the streams of a process to end."""

import asyncio

from services.runtime.admission import Admission


async def test_a_process_is_idle_once_its_last_stream_is_left() -> None:
    admission = Admission(2)
    async with asyncio.timeout(10):
        await admission.idle()
        with admission.stream():
            with admission.stream():
                waiting = asyncio.create_task(admission.idle())
            await asyncio.sleep(0)
            assert not waiting.done()
        await waiting
