"""What joins the other rooms to one task: a round of active learning. Each step is not its own, but another room's."""
