"""Running as a systemd service: the unit that starts the daemon, and the daemon's messages to systemd."""
