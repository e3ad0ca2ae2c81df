"""What many look at is made once for each state of the store, and never once for each who waits."""

import threading
import time

from desk.fragments import Cache


def test_a_later_state_makes_it_anew_and_an_earlier_one_does_not() -> None:
    cache: Cache[int] = Cache()
    made: list[int] = []

    def make(number: int) -> int:
        made.append(number)
        return number

    assert cache.get("k", (1, 0), lambda: make(1)) == 1
    assert cache.get("k", (2, 0), lambda: make(2)) == 2
    assert cache.get("k", (1, 9), lambda: make(3)) == 2, "who came before takes the later one"
    assert cache.get("k", (2, 1), lambda: make(4)) == 4
    assert cache.get("other", (2, 1), lambda: make(5)) == 5
    assert made == [1, 2, 4, 5]


def test_of_many_who_ask_at_two_states_few_make_it() -> None:
    cache: Cache[int] = Cache()
    made: list[int] = []
    begun = threading.Barrier(40)

    def ask(version: int) -> None:
        def make() -> int:
            made.append(version)
            time.sleep(0.01)
            return version

        begun.wait(10)
        assert cache.get("k", (version,), make) >= version

    threads = [threading.Thread(target=ask, args=(n % 2,)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert made in ([1], [0, 1])


def test_the_least_used_are_given_up() -> None:
    cache: Cache[str] = Cache(kept_max=2)
    for key in "ababc":
        cache.get(key, (1,), lambda key=key: key)  # type: ignore[misc]
    assert cache.get("b", (1,), lambda: "anew") == "b"
    assert cache.get("a", (1,), lambda: "anew") == "anew"
