"""Cuts the power of an asyncio program at each of its awaits, restarts it, and judges what is durable."""
