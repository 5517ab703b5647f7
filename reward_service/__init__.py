"""Answer text and true count in; count, difference and reward out. Stateless."""
