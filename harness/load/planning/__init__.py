"""Plan the load: profiles, their settings, load plans and schedules. Pure; shared by parent and child."""
