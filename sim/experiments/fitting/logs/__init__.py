"""Task logs: files, columns, times and status words, as arrays of attempts."""
