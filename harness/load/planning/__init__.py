"""What load is to be sent: profiles, their settings, load plans and schedules. Pure; shared by parent and child."""
