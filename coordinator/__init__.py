"""The service that takes campaigns, schedules them on hosts and answers with verdicts. Knows ``domain`` only."""
