"""The machine below: its locks, its memory, its full disks, and the death of a process's parent."""
