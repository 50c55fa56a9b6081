"""Adapters: each knows a loaded model and one engine. No network, nothing of another engine, no public face."""
