"""What users did since a run was trained, as further rows of its scenarios."""
