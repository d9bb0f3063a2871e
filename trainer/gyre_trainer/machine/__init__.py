"""The computer this runs on: files that survive a crash, its cores, its memory, the number format it is fast in."""
