"""Runs an asyncio program in many orders of what is ready at the same instant, and shrinks an order that fails."""
