"""What is computed and when: Dagster definitions, and the capture loop they drive."""
