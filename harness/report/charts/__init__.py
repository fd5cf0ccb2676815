"""Charts as inline SVG: pure functions from numbers to markup. The page's style sheet sets colours and fonts."""
