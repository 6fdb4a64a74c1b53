"""Real processes in networks of the tests' own."""
