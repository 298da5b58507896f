"""The testing API: faults, paces, recorded requests and snapshots, for tests of client programs."""
