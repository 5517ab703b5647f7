"""Base against adapter: comparisons, single answers, reports, foreign adapters."""
