"""From a tag list to a complete configuration: `hazwatch init`.

`site` finds the places that the list speaks of, `recognise` what stands in each cell, `propose` the rules that follow
from the library, `write` the file. All of it is a pure function of the list, so the same list gives the same text.
"""
