"""All clients put a merchant on the same partition."""

import pytest
from aiokafka.partitioner import DefaultPartitioner
from confluent_kafka import murmur2

GOLDEN = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}
"""Hashes of Kafka's own ``UtilsTest.testMurmur2``."""

PARTITIONS = (1, 2, 3, 4, 12, 64, 1000)
MERCHANTS = [b"m-1", b"m-00042", b"*", "商户-7".encode(), b"x" * 128, b"12345678", b" "]
PLACES = [5, 10, 11, 0, 3, 6, 9]
"""Partition of each of ``MERCHANTS`` among 12, as first released."""


@pytest.mark.parametrize("partitions", PARTITIONS)
@pytest.mark.parametrize("key", GOLDEN, ids=bytes.decode)
def test_murmur2_is_that_of_the_java_client(key: bytes, partitions: int) -> None:
    assert murmur2(key, partitions) == (GOLDEN[key] & 0x7FFFFFFF) % partitions


@pytest.mark.parametrize("partitions", PARTITIONS)
@pytest.mark.parametrize("key", [*GOLDEN, *MERCHANTS], ids=bytes.decode)
def test_confluent_and_aiokafka_agree(key: bytes, partitions: int) -> None:
    every = list(range(partitions))
    assert murmur2(key, partitions) == DefaultPartitioner()(key, every, every)


def test_the_partition_of_a_merchant_never_changes() -> None:
    assert [murmur2(key, 12) for key in MERCHANTS] == PLACES
