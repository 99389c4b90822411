"""Tests that a user would recognise: real models, real files, the real window."""
