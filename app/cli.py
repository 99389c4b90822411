"""."""
def main() -> None:
    """."""
