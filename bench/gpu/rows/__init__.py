"""What the rows measure: each module has `measure(context)`, which notes figures as it goes."""
