"""Base against adapter: evaluations, single answers, reports, foreign adapters."""
