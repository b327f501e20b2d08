"""The loop on different environments, run and stepped."""

import asyncio

import pytest
import simpy

from sim.loop import Deadlock, SimLoop, VirtualEnvironment, run


class TestEnvironments:
    def test_an_environment_that_has_already_run(self):
        env = simpy.Environment(100)
        loop = SimLoop(env)
        assert (loop.time(), type(loop.time())) == (100.0, float)
        assert run(asyncio.sleep(5, "slept"), env) == "slept"
        assert env.now == 105.0
        loop.close()

    def test_env_step_processes_one_timer(self):
        for env in (simpy.Environment(), VirtualEnvironment()):
            loop = SimLoop(env)
            log = []
            for at in (1, 2, 3):
                loop.call_at(at, log.append, at)
            while env.peek() <= 2:
                env.step()
            assert (log, env.now) == ([1, 2], 2)
            loop.close()

    def test_an_environment_with_a_custom_step_sees_every_timer(self):
        class Watched(simpy.Environment):
            def step(self):
                seen.append(self.peek())
                super().step()

        seen = []
        assert run(asyncio.sleep(5, "slept"), Watched()) == "slept"
        assert 5.0 in seen
        env, patched = simpy.Environment(), []
        step = env.step
        env.step = lambda: (patched.append(env.peek()), step())
        run(asyncio.sleep(5), env)
        assert 5.0 in patched

    def test_a_cancelled_timer_advances_a_plain_environment_only_after_events(self):
        def world(env):
            yield env.timeout(3)

        ends = []
        for env in (VirtualEnvironment(), simpy.Environment()):
            loop = SimLoop(env)
            loop.call_later(3600, print).cancel()
            env.process(world(env))
            env.run()
            ends.append(env.now)
            loop.close()
        assert ends == [3.0, 3600.0]
        loop = SimLoop(simpy.Environment())
        loop.call_later(3600, print).cancel()
        loop.call_later(3, print)
        loop.env.run()
        assert loop.time() == 3.0
        loop.close()

    @pytest.mark.parametrize("plain", [False, True])
    def test_deadlocks_are_detected_in_every_environment(self, plain):
        env = simpy.Environment() if plain else None

        async def main():
            asyncio.get_running_loop().call_later(60, print).cancel()
            await asyncio.Event().wait()

        with pytest.raises(Deadlock, match="at 0 s"):
            run(main(), env)

    def test_the_log_does_not_depend_on_the_runner(self):
        def log_of(env, runs):
            loop, log = SimLoop(env), []

            async def works(name, naps):
                for nap in naps:
                    await asyncio.sleep(nap)
                    log.append((loop.time(), name))
                    if nap == 2:
                        await loop.wait(loop.env.timeout(0.5))
                        log.append((loop.time(), name, "event"))

            def world():
                for _ in range(3):
                    yield loop.env.timeout(1.5)
                    log.append((loop.env.now, "world"))

            loop.env.process(world())
            tasks = [loop.create_task(works("a", (1, 2, 3))), loop.create_task(works("b", (2, 1, 3)))]
            runs(loop, tasks)
            loop.abandon()
            return log

        async def all_of(tasks):
            await asyncio.wait(tasks)

        logs = [
            log_of(kind(), runs)
            for kind in (VirtualEnvironment, simpy.Environment)
            for runs in (
                lambda loop, tasks: loop.run_until_complete(all_of(tasks)),
                lambda loop, _: loop.env.run(),
                lambda loop, _: loop.env.run(until=100),
                lambda loop, tasks: loop.env.run(until=loop.process(all_of(tasks))),
            )
        ]
        assert logs[0][:3] == [(1.0, "a"), (1.5, "world"), (2.0, "b")]
        assert logs[1:] == logs[:1] * 7
