"""The recipes in scripts/deploy, run as they are printed."""
