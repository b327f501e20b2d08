"""Where the core keeps what it must not forget."""
