"""The testing API: faults, pace, recorded requests and snapshots, for programs that test other programs."""
