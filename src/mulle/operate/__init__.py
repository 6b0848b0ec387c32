"""What outlives a run: batch prediction. Release, monitor and retrain are not built yet."""
