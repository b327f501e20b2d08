"""One module for each target of faults: what a fault does when it begins and when it ends."""
