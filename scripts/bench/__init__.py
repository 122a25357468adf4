"""Benchmarks and their stand-ins."""
