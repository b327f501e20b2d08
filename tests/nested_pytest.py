"""What pytest loads in the runs that tests start: the plugin of this project, as an installation would load it."""

from importlib.metadata import entry_points

INSTALLED = bool(entry_points(group="pytest11", name="recovery-bench"))
PLUGINS = [
    *([] if INSTALLED else ["-p", "sim.pytest_plugin"]),
    *(
        "-p",
        "no:nbmake",
        "-p",
        "no:langsmith_plugin",
        "-p",
        "no:anyio",
    ),  # of other packages: they take seconds to import
]
