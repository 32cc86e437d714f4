"""The commands of `g6`, one module a group. Each imports what it needs when it runs: `g6 sql` starts quickly."""
