"""The client: `Memory` for threads, `AsyncMemory` for asyncio."""

from .aio import AsyncMemory
from .shapes import AddResult, Hit, Message, Record, Written
from .sync import Memory

__all__ = ["AddResult", "AsyncMemory", "Hit", "Memory", "Message", "Record", "Written"]
