"""Data: from files and packages to tables, splits and events on the device."""
