"""All that is drawn, and the only room that knows matplotlib: values in, a `Figure` out."""
