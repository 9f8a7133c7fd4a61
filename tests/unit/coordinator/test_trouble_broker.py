"""A Redis that answers and takes no messages is a trouble: campaigns would wait, and nothing would say why."""

import redis

from coordinator.trouble import BROKER_KEY, check_broker
from deploy.stack.private_redis import COMMANDS
from domain.values.names import is_host_name
from tests.redis_server import url_of


def refused(broker: redis.Redis) -> str:
    found = check_broker(url_of(broker))
    assert found is not None
    assert found.stops_work
    assert "commands of docs/deployment.md" in found.remedy
    return found.what


def test_a_redis_that_takes_messages_is_no_trouble_and_keeps_little(broker: redis.Redis) -> None:
    for _ in range(5):
        assert check_broker(url_of(broker)) is None
    assert broker.llen(BROKER_KEY) == 1
    assert not is_host_name(BROKER_KEY.removeprefix("tests.")), "else it would be a host's queue"


def test_a_redis_without_memory_is_seen(broker: redis.Redis) -> None:
    broker.config_set("maxmemory", "1")
    assert refused(broker).startswith("Redis refuses messages (")
    broker.config_set("maxmemory", "0")
    assert check_broker(url_of(broker)) is None


def test_a_read_only_replica_is_seen(broker: redis.Redis) -> None:
    broker.replicaof("127.0.0.1", "1")
    assert "replica" in refused(broker)


def test_a_user_without_its_rights_is_seen(broker: redis.Redis) -> None:
    """The product's own rights suffice for the check itself."""
    allowed = " ".join(f"+{command}" for command in COMMANDS).split()
    broker.execute_command("ACL", "SETUSER", "default", "resetkeys", "~host.*", "~tests.*", "-@all", "+acl", *allowed)
    assert check_broker(url_of(broker)) is None
    broker.execute_command("ACL", "SETUSER", "default", "-lpush")
    assert "lpush" in refused(broker)
