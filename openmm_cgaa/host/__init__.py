"""What the package shares with the machine: files, their formats and locks, signals, torch's state. No chemistry."""
