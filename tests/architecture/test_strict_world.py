import os
import socket

import pytest


def test_a_test_that_reaches_for_the_network_is_told_so():
    with pytest.raises(ConnectionRefusedError, match=r"must not use the network, got .*192.0.2.1"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)


def test_a_test_may_talk_to_its_own_machine():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def test_the_hubs_client_is_offline():
    assert os.environ["HF_HUB_OFFLINE"] == "1"


def test_torch_runs_deterministic_algorithms_with_a_fixed_seed():
    torch = pytest.importorskip("torch")
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.initial_seed() == 0
