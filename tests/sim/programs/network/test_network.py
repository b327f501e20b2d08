"""Streams and protocols between tasks of one loop, over a simulated network."""

import asyncio
from contextlib import asynccontextmanager, closing, suppress

import anyio
import pytest

import sim
from sim import Network, NoInputOutput
from sim.loop import run


async def echo(reader, writer):
    with closing(writer), suppress(ConnectionResetError):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()


@asynccontextmanager
async def connected():
    reader, writer = await asyncio.open_connection("db", 1)
    try:
        yield reader, writer
    finally:
        writer.close()


def now():
    return asyncio.get_running_loop().time()


def test_streams_go_to_a_host_name_and_back_after_the_latency():
    async def main():
        with Network(latency=0.5):
            server = await asyncio.start_server(echo, "db", 5432)
            reader, writer = await asyncio.open_connection("db", 5432)
            connected = now()
            writer.write(b"one\n")
            writer.write(b"two\n")
            answers = [await reader.readline(), await reader.readline()]
            writer.close()
            await writer.wait_closed()
            assert writer.get_extra_info("peername") == ("db", 5432)
            assert server.sockets[0].getsockname() == ("db", 5432)
            server.close()
            await server.wait_closed()
            assert not server.is_serving()
            return connected, now(), answers

    assert run(main()) == (1, 2.5, [b"ONE\n", b"TWO\n"])


def test_without_a_network_there_are_no_streams():
    with pytest.raises(NoInputOutput, match=r"sim\.Network"):
        run(asyncio.open_connection("db", 5432))


def test_a_side_can_close_its_direction_and_read_on():
    async def answer(reader, writer):
        data = await reader.read()
        await asyncio.sleep(3)
        writer.write(data[::-1])
        writer.close()

    async def main():
        with Network():
            await asyncio.start_server(answer, "db", 1)
            async with connected() as (reader, writer):
                writer.write(b"abc")
                writer.write_eof()
                return await reader.read(), now()

    assert run(main()) == (b"cba", 3)


def test_a_slow_reader_pauses_the_writer():
    async def slow(reader, writer):
        with closing(writer):
            while await reader.read(10_000):  # noqa: ASYNC110 - the reader is slow
                await asyncio.sleep(1)

    async def main():
        with Network():
            await asyncio.start_server(slow, "db", 1, limit=1000)
            async with connected() as (_, writer):
                for _ in range(30):
                    writer.write(bytes(10_000))
                    await writer.drain()
                return now()

    assert 15 < run(main()) < 30


@pytest.mark.parametrize(
    ("arrange", "error", "after"),
    [
        (lambda network: None, ConnectionRefusedError, 2),
        (lambda network: network.partition("client", "db"), TimeoutError, 127),
        (lambda network: network.partition("db", "client", one_way=True), TimeoutError, 127),
        (lambda network: network.crash("db"), TimeoutError, 127),
    ],
)
def test_a_connection_that_fails(arrange, error, after):
    async def main():
        with Network(latency=1) as network:
            arrange(network)
            with pytest.raises(error):
                await asyncio.open_connection("db", 1)
            return now()

    assert run(main()) == after


def test_what_is_sent_into_a_partition_arrives_when_it_ends():
    async def main():
        with Network() as network:
            await asyncio.start_server(echo, "db", 1)
            async with connected() as (reader, writer):
                network.partition("client", "db")
                writer.write(b"late\n")
                asyncio.get_running_loop().call_later(60, network.heal)
                return await reader.readline(), now()

    assert run(main()) == (b"LATE\n", 60)


def test_an_abort_and_a_write_to_a_closed_end_are_resets():
    async def main():
        with Network(latency=1):
            ends = []
            await asyncio.start_server(lambda reader, writer: ends.append((reader, writer)), "db", 1)
            _, writer = await asyncio.open_connection("db", 1)
            await asyncio.sleep(1)
            writer.transport.abort()
            with pytest.raises(ConnectionResetError):
                await ends[0][0].read()
            reader, writer = await asyncio.open_connection("db", 1)
            await asyncio.sleep(1)
            ends[1][1].close()
            writer.write(b"into nothing")
            assert await reader.read() == b""
            await asyncio.sleep(5)
            with pytest.raises(ConnectionResetError):
                await writer.drain()

    run(main())


def test_a_crashed_host_leaves_its_peer_half_open_until_it_is_up_and_written_to():
    async def main():
        with Network() as network:
            await asyncio.start_server(echo, "db", 1)
            reader, writer = await asyncio.open_connection("db", 1)
            network.crash("db")
            writer.write(b"lost\n")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1000):
                    await reader.readline()
            network.restart("db")
            writer.write(b"again\n")
            with pytest.raises(ConnectionResetError):
                await reader.readline()
            await asyncio.start_server(echo, "db", 1)
            async with connected() as (reader, writer):
                writer.write(b"anew\n")
                return await reader.readline()

    assert run(main()) == b"ANEW\n"


def test_losses_are_resets_that_depend_on_the_seed_alone():
    async def main(seed):
        with Network(loss=0.2, seed=seed):
            await asyncio.start_server(echo, "db", 1)
            async with connected() as (reader, writer):
                for sent in range(100):
                    try:
                        writer.write(b"x\n")
                        await reader.readline()
                        await writer.drain()
                    except ConnectionResetError:
                        return sent
        return None

    found = [run(main(seed)) for seed in (1, 2, 3, 4, 1)]
    assert None not in found
    assert len({*found}) > 1
    assert found[0] == found[4]


def test_hosts_have_names_and_links_their_latency():
    async def peer(_, writer):
        writer.write(writer.get_extra_info("peername")[0].encode())
        writer.close()

    async def ask():
        async with connected() as (reader, _):
            return await reader.read()

    async def main():
        with Network(latency=1) as network:
            network.set_latency("web", "db", 5)
            with network.host("db"):
                await asyncio.start_server(peer, port=1)
            with network.host("web"):
                web = asyncio.create_task(ask())
            other = await ask()
            return other, now(), await web, now()

    assert run(main()) == (b"client", 3, b"web", 15)


def test_protocols_and_anyio_work_as_well():
    class Shout(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            self.transport.write(data + b"!")

    async def main():
        with Network(latency=1):
            server = await asyncio.get_running_loop().create_server(Shout, "db", 1)
            async with server, await anyio.connect_tcp("db", 1) as stream:
                await stream.send(b"hello")
                return await stream.receive()

    assert run(main()) == b"hello!"


def test_a_taken_port_and_encryption_are_refused():
    async def main():
        with Network():
            await asyncio.start_server(echo, "db", 1)
            with pytest.raises(OSError, match="address"):
                await asyncio.start_server(echo, "db", 1)
            with pytest.raises(NoInputOutput, match="ssl"):
                await asyncio.open_connection("db", 1, ssl=True)

    run(main())


def test_a_program_with_a_network_can_be_swept():
    async def start(durable):
        async def serve(reader, writer):
            await durable.request("stored", idempotency_key=(await reader.readline()).decode())
            writer.write(b"ok\n")
            writer.close()

        with Network(latency=0.1):
            await asyncio.start_server(serve, "db", 1)
            async with connected() as (reader, writer):
                writer.write(b"order 1\n")
                await reader.readline()

    report = sim.crash_sweep(sim.Durable, start, None, lambda durable: durable.effects == {"stored": 1})
    report.assert_holds()
    assert report.covered > 5
