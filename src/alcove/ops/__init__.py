"""Looking after a house: `doctor` now; backup, restore and moves later."""
