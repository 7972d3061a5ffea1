"""What some work will take, told from a short piece of the work itself."""
