"""The static pages of a history: an overview with a heatmap, and a page for each scenario."""
