"""Files from strangers, opened so that nothing in them is run or believed."""
