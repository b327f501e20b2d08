"""Tables computed once per history, from which the metrics are computed."""
