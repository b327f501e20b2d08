"""Programs of agent frameworks and task queues on the simulated loop: their stores, models and brokers with faults.

Each module needs the framework that it is named after, and imports it. `import sim` imports none of them.
"""
