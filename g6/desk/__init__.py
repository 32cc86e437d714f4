"""The desk: a page on this machine that shows a world's chains, live and at any past minute.

A small Starlette application that only reads: `app` puts it together, `asked` checks what a browser asks, `questions`
is the SQL over the shipped macros, `store` the connections, `pulse` whether the market is open and the session lives,
`guard` what keeps strangers out. The page itself is in `static`: plain HTML, CSS and ES modules, no build step and
nothing from the net.
"""
