"""Histories in the Trace Event Format, which Perfetto and Chrome's tracing page open."""
