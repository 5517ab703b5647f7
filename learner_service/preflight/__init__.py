"""What a job would do, before there is one."""
