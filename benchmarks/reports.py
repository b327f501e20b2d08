"""Speed and size of reports: a page of a thousand recoveries, its opening in a browser, and a trace of 50,000 events.

Times are minima of several rounds, in seconds of the processor; the opening is wall time.
"""

import tempfile
import time
from pathlib import Path

import scenarios
import sim
from sim.reports.page.parts import part_of
from sim.reports.page.render import page
from sim.reports.trace.history_trace import trace_of
from sim.reports.trace.trace_file import write_trace
from tests.sim.reports.browser import CHROMIUM, WHY_NOT, Browser

ROUNDS = 3


def fastest(work):
    """The least time of several rounds, and the last result."""
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time()
        found = work()
        taken.append(time.process_time() - began)
    return min(taken), found


def main():
    """Print one line for each figure."""
    many = scenarios.load("execution-failure").with_values({"tasks.failure_probability": 0.16})
    run = sim.run(many, seed=7)
    recoveries = int(run.metrics["recovery.count"])
    taken, text = fastest(lambda: page([part_of(run)]))
    print(f"page of {recoveries:,} recoveries: {taken:.2f} s, {len(text.encode()) / 1e6:.2f} MB (target: under 3 MB)")

    traced = sim.run(scenarios.load("agent-failure"), seed=7)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.json.gz"
        taken, _ = fastest(lambda: write_trace(trace_of(traced.record), file, compressed=True))
        events, size = traced.events, file.stat().st_size / 1e6
        print(f"trace of {events:,} events: {taken:.2f} s, {size:.2f} MB (target: 50,000 events in under 2 s)")
        opened(Path(folder), text)


def opened(folder, text):
    """The time until the page is drawn in headless Chromium, with a thousand recoveries."""
    if CHROMIUM is None:
        print(f"page in a browser: {WHY_NOT}")
        return
    file = folder / "page.html"
    file.write_text(text, encoding="utf-8")
    with Browser(folder) as browser:
        taken = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            browser.open(file)
            browser.evaluate("document.querySelectorAll('.charts path').length")
            taken.append(time.perf_counter() - began)
    print(f"page in a browser: {min(taken):.2f} s until it is drawn (target: under 2 s)")


if __name__ == "__main__":
    main()
