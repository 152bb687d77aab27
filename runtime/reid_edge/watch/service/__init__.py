"""Running as a systemd service: the unit that starts the daemon, and what the daemon tells systemd."""
