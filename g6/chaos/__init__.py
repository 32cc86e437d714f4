"""The proof by simulation: trading days in which everything goes wrong, judged by what is stored afterwards.

`script` draws what befalls a day from a seed, `world` makes the day's own data root, `breakage` breaks disk and process
from the inside, `attempt` runs the real capture loop and the real seal in a process that may be killed, `day` plays the
operator and the sensor, `truth`, `reasons` and `invariants` judge, `run` counts. The simulator's own faults are
`g6_sim.faults`'.
"""
