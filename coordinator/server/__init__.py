"""The HTTP front of the coordinator: gunicorn's threaded worker, with deadlines. It imports nothing else of ours."""
