"""What a run's networks are fed."""

from dataclasses import replace

from limbeck.data import fit, open_data
from limbeck.recipes.candidates import measured_inputs


def test_statistics_are_of_the_data_given_and_of_none_that_lay_where_it_lies():
    """Teachers of private shards, say: each shard is gone before the next one is made, and may leave it its place."""
    data = open_data("digits", limit=200)
    for number in range(50):
        shard = replace(data, train=data.train[number : number + 10])
        assert measured_inputs(shard) == fit(shard.source, shard.train, shard.shape)
        assert measured_inputs(shard) is measured_inputs(shard)
        del shard
