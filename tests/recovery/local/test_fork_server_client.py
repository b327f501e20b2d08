"""Requests to the fork server and their responses."""

import asyncio
import contextlib
import json
import socket

import pytest

from recovery.local.fork_server_client import AsyncForkServerClient

PIDS = {"agent.0": 100, "agent.1": 101, "agent.2": 102}


class FakeServer:
    """The other end: it receives a name, and responds with a process id when allowed."""

    def __init__(self, end):
        self._end = end
        self.heard = asyncio.Queue()
        self.may = asyncio.Semaphore(0)

    async def serve(self):
        loop, heard = asyncio.get_running_loop(), b""
        while part := await loop.sock_recv(self._end, 1000):
            *lines, heard = (heard + part).split(b"\n")
            for line in lines:
                name = json.loads(line)["name"]
                self.heard.put_nowait(name)
                await self.may.acquire()
                await loop.sock_sendall(self._end, f"{PIDS[name]}\n".encode())


def with_server(story):
    async def main():
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        server = FakeServer(theirs)
        serving = asyncio.create_task(server.serve())
        with ours, theirs:
            await story(AsyncForkServerClient(ours), server)
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving

    asyncio.run(main())


def test_concurrent_requests_get_their_own_responses():
    async def story(client, server):
        asked = asyncio.gather(*(client.start_agent(name) for name in PIDS))
        for _ in PIDS:
            server.may.release()
        assert await asked == list(PIDS.values())

    with_server(story)


def test_the_response_of_a_cancelled_request_is_discarded():
    async def story(client, server):
        asked = asyncio.create_task(client.start_agent("agent.0"))
        assert await server.heard.get() == "agent.0"
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        server.may.release()
        server.may.release()
        assert await client.start_agent("agent.1") == PIDS["agent.1"]

    with_server(story)
