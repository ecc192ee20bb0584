"""Click commands: parse, call a use case, show its result, end with an exit code."""
