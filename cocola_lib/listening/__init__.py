"""The listening test: people rate how well two parts belong together (Sec. V-C, Fig. 3). Notebook 06 runs it.

Sounds: `stimuli` makes them, `prepare` writes them down as a study, `folder` reads it, `design` deals them out.
Answers: `store` keeps each on disk, `results` makes tables of them, `rehearsal` invents listeners. The test itself:
`words` is what listeners read, `session` one listener's way through it, `room` (and room.js) its widget, `page` what
`server`, a voila with most doors shut, shows in a browser.
"""

from cocola_lib.extras import need

need("listen", "anywidget", "krippendorff", "nbformat", "voila")
