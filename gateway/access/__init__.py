"""Who asks: tokens, what their role lets them do, whose things they may see."""
