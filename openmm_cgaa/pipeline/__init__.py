"""What joins the other rooms to one task: a round of active learning."""
