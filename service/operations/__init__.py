"""What keeps a site running: start-up, wake-ups, the sweep, retention."""
