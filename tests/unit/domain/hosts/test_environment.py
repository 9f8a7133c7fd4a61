"""Child processes get what they need, and nothing of the user's shell that could change a measurement."""

from domain.hosts.environment import own_environment, program_environment, search_path

GIVEN = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "http_proxy": "http://proxy:3128",
    "HTTPS_PROXY": "http://proxy:3128",
    "All_Proxy": "socks5://proxy",
    "no_proxy": "localhost",
    "LC_ALL": "de_DE.ISO-8859-1",
    "SHOWDOWN_WORKER_TOKEN": "secret",
}


def test_programs_in_sbin_are_found_behind_those_of_the_given_path() -> None:
    assert search_path({"PATH": "/opt/bin:/usr/sbin"}) == "/opt/bin:/usr/sbin:/usr/local/sbin:/sbin"
    assert "/usr/bin" in search_path({}).split(":")
    # An empty part of PATH is the working directory.
    assert "" not in search_path({"PATH": ":/bin:"}).split(":")


def test_own_processes_keep_settings_and_get_no_proxy() -> None:
    own = own_environment(GIVEN)
    assert not [name for name in own if "proxy" in name.lower()]
    assert own["SHOWDOWN_WORKER_TOKEN"] == "secret"
    assert (own["PYTHONUTF8"], own["PYTHONSAFEPATH"]) == ("1", "1")


def test_other_programs_get_nothing_but_a_path_and_a_language() -> None:
    assert set(program_environment(GIVEN)) == {"PATH", "LC_ALL"}
