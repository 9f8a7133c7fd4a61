"""Worker hosts: enrolment, draining, removal, and how they are."""
