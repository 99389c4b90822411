"""Adapters that turn what a framework runs, or a file holds, into the graph model."""
