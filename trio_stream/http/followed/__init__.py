"""What a follower's HTTP API has of its own, beside what every daemon has."""
