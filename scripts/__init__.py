"""Programs around the daemon, which start it as any user would."""
