"""Results as one self-contained HTML page: verdicts, timelines, recoveries, tables and how to repeat the runs."""
