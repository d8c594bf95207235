"""Whether a version's desktop comes up, seen before anybody relies on it."""
