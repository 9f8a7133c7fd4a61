"""The service that takes campaigns, schedules them on hosts and reports verdicts. It imports ``domain`` only."""
