"""One recovery try: analyze, select, prepare, execute, finalize, verify."""
