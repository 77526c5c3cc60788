from slidewire.server.network_id import make_networks


def test_who_is_behind_one_router_gets_one_word_and_nobody_else_does() -> None:
    network = make_networks(private_members=False)
    assert network("198.51.100.7") == network("198.51.100.7") != network("198.51.100.8")
    assert network("2600:1:2:3::7") == network("2600:1:2:3:4:5:6:7") != network("2600:1:2:4::7")
    word = network("198.51.100.7")
    assert "198" not in word and 16 <= len(word) <= 22


def test_a_word_is_this_process_s() -> None:
    """Nobody can make a list of them."""
    assert make_networks(private_members=False)("198.51.100.7") != make_networks(private_members=False)("198.51.100.7")


def test_private_addresses_are_one_place_only_among_the_room_s_own_computers() -> None:
    far, near = make_networks(private_members=False), make_networks(private_members=True)
    addresses = ("10.0.0.7", "192.168.1.7", "127.0.0.1", "fd00::7", "::1", "", "unix")
    assert {far(address) for address in addresses} == {""}
    assert len({near(address) for address in addresses}) == 1 and near("10.0.0.7") != near("198.51.100.7")
