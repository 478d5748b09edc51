"""kd: builds, tests, starts and checks kedge. One module a topic; __main__ lists the commands."""
