"""Settings for every test, made before anything of Qt is imported."""

import os

# A window must not need a screen, and what a test stores must not reach the user's own settings.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
