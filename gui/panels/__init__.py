"""The docked panels. Each is driven by the session, none knows another."""
