"""Executes recorded iterations again, in a process of its own."""
