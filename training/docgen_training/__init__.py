"""The training side: what makes the model that the package ships."""
