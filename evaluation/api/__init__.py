"""The evaluation's part of the REST API: views parse, authorise, call one service and serialise."""
