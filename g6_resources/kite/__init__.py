"""Kite Connect: client, limiter, login and token. Nothing here knows Dagster."""
