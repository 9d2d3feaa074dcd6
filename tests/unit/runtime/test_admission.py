"""Admission: who is let in, and who waits for the streams of a process to end."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from services.runtime.admission import Admission
from services.runtime.errors import Full, Unavailable


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


def test_nobody_is_let_in_before_the_capacity_is_known() -> None:
    admission = Admission(None)
    assert admission.capacity == 0
    with pytest.raises(Unavailable, match="loading"), admission.stream():
        pass
    admission.capacity = 1
    with admission.stream(), pytest.raises(Full), admission.stream():
        pass


def test_the_capacity_is_told_as_it_was_found_out() -> None:
    admission = Admission(None)
    assert REGISTRY.get_sample_value("antiphon_streams_capacity") == 0
    admission.capacity = 7
    assert REGISTRY.get_sample_value("antiphon_streams_capacity") == 7
