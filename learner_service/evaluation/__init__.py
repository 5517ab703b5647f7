"""Base against adapter: answers, scores, intervals, the report."""
