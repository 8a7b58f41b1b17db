"""Bridges between a student's layers and a teacher's, and the finding of layers that go together."""

from limbeck.adapters.layouts import ChannelsFirst, MapToTokens, TokensToMap
from limbeck.adapters.match import match_layers, pair_of
from limbeck.adapters.orthogonal import Orthogonal
from limbeck.adapters.pairs import Matches, Pair
from limbeck.adapters.sizes import Pool, Resize
from limbeck.adapters.widths import Conv, Linear

__all__ = [
    "ChannelsFirst",
    "Conv",
    "Linear",
    "MapToTokens",
    "Matches",
    "Orthogonal",
    "Pair",
    "Pool",
    "Resize",
    "TokensToMap",
    "match_layers",
    "pair_of",
]
