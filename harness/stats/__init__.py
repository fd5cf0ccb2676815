"""Statistics: functions that take arrays and return numbers. Only this package imports scipy."""
