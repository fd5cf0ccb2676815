"""Charts as inline SVG: pure functions from numbers to markup; colours and fonts come from the page's style sheet."""
