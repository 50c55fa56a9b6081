"""What the package shares with the machine and the process: files and locks, signals, torch's state. No chemistry."""
