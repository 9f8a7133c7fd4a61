"""Every datapath that is discovered meets its contract, and so does the fake."""

import inspect
import re
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from bpf.loader import source_path
from domain.service.jobs import Feature, HostCapabilities
from domain.values.names import FUNCTIONS, LIMIT
from tests.variants import DATAPATHS
from workers.agent.capabilities import OWN_PROGRAMS
from workers.datapaths._fake import FakeDatapath
from workers.datapaths.base import Datapath, DatapathError
from workers.inventory.features import PROGRAMS, TRIES
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import Lab
from workers.lab.spec import LabSpec

EVERY = pytest.mark.parametrize("datapath", [*DATAPATHS.values(), FakeDatapath()], ids=lambda d: d.name)


def test_the_four_of_the_first_release_are_found_and_the_fake_is_not() -> None:
    assert {"direct", "tproxy", "ebpf_sk_assign", "ebpf_redirect"} <= set(DATAPATHS)
    assert "fake" not in DATAPATHS


@EVERY
def test_it_says_what_it_is(datapath: Datapath) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,31}", datapath.name)
    assert datapath.function in FUNCTIONS
    assert datapath.role in ("", LIMIT)
    assert datapath.summary.endswith(".")
    assert len(datapath.summary) < 120


@EVERY
def test_it_carries_an_ip_version(datapath: Datapath) -> None:
    assert datapath.ip_versions
    assert datapath.ip_versions <= {4, 6}


@EVERY
def test_it_has_no_more_than_the_contract(datapath: Datapath) -> None:
    assert _methods(type(datapath)) == _methods(Datapath)
    assert len(_methods(Datapath)) <= 4


@EVERY
def test_it_leaves_the_template_as_it_is(datapath: Datapath) -> None:
    """``attached`` undoes and names errors; ``unmet_requirements`` reads ``requires``."""
    assert not {"attached", "unmet_requirements"} & set(vars(type(datapath)))


def test_one_is_the_limit() -> None:
    assert DATAPATHS["direct"].role == LIMIT


@EVERY
def test_it_lacks_nothing_where_everything_is(datapath: Datapath) -> None:
    assert datapath.unmet_requirements(_host(present=True)) == []


@EVERY
def test_it_says_in_sentences_what_it_lacks(datapath: Datapath) -> None:
    lacking = datapath.unmet_requirements(_host(present=False))
    assert lacking
    assert all("because of the test" in sentence for sentence in lacking)


def test_a_host_without_bcc_or_headers_runs_what_is_not_compiled() -> None:
    """A host as it was installed: no development packages. The remedy is in the sentence."""
    lacks = {"bcc": "Install python3-bpfcc.", "kernel_headers": "Install the kernel's headers."}
    features = tuple(
        one.model_copy(update={"present": False, "reason": lacks[one.name]}) if one.name in lacks else one
        for one in _host(present=True).features
    )
    host = HostCapabilities(host="h", features=features)
    lacking = {name: datapath.unmet_requirements(host) for name, datapath in DATAPATHS.items()}
    assert {"direct", "tproxy", "nft_redirect", "explicit_proxy"} <= {name for name, why in lacking.items() if not why}
    compiled = {name for name, datapath in DATAPATHS.items() if "bcc" in datapath.requires}
    assert {"ebpf_sk_assign", "ebpf_redirect"} <= compiled == {name for name, why in lacking.items() if why}
    assert all(lacks["bcc"] in " ".join(lacking[name]) for name in compiled)


@EVERY
def test_each_feature_that_it_needs_is_one_that_hosts_are_probed_for(datapath: Datapath) -> None:
    assert not [sentence for sentence in datapath.unmet_requirements(_host(present=True)) if "not known" in sentence]


@EVERY
def test_unknown_features_count_as_absent(datapath: Datapath) -> None:
    assert datapath.unmet_requirements(HostCapabilities(host="h"))


@EVERY
def test_what_uses_several_origins_balances_over_any_number_or_excludes_others(
    datapath: Datapath, tmp_path: Path
) -> None:
    lab = Lab(LabSpec("abc123", "direct", 0, origins=7), CleanupRegister(tmp_path))
    lab.client_endpoint = datapath.client_endpoint(lab)
    needs_its_own = len(lab.answering) > 1 and datapath.function != "balance"
    assert ("origins" in datapath.excludes) == needs_its_own


@pytest.mark.parametrize("name", [name for name, datapath in DATAPATHS.items() if "bcc" in datapath.requires])
def test_its_c_source_has_its_name_and_licence(name: str) -> None:
    text = source_path(f"datapaths/{name}.c").read_text()
    assert text.startswith("// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause\n")


@pytest.mark.parametrize("name", list(DATAPATHS))
def test_it_never_sleeps_times_or_polls(name: str) -> None:
    source = inspect.getsource(inspect.getmodule(type(DATAPATHS[name])))
    assert not re.search(r"^(import time|from time )", source, re.MULTILINE)


def test_the_fake_attaches_counts_and_undoes(tmp_path: Path) -> None:
    lab, fake = Lab(LabSpec("abc123", "fake", 0), CleanupRegister(tmp_path)), FakeDatapath()
    with fake.attached(lab) as attachment:
        assert isinstance(fake.attached(lab), AbstractContextManager)
        attachment.cross(packets=3, payload_bytes=10, connections=1)
        assert attachment.counters().packets == 3
        attachment.broken = "cut"
        with pytest.raises(DatapathError, match="cut"):
            attachment.counters()
    assert fake.attachments == {}


def test_the_fake_can_refuse(tmp_path: Path) -> None:
    lab, fake = Lab(LabSpec("abc123", "fake", 0), CleanupRegister(tmp_path)), FakeDatapath(refuse="no")
    with pytest.raises(DatapathError, match="no"), fake.attached(lab):
        pytest.fail("must not be attached")


def _methods(kind: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}


def _host(*, present: bool) -> HostCapabilities:
    names = [
        "root",
        "kernel_headers",
        *(f"program.{name}" for name in (*PROGRAMS, *OWN_PROGRAMS)),
        *(one.name for one in TRIES),
    ]
    reason = "" if present else "because of the test."
    return HostCapabilities(host="h", features=tuple(Feature(name=n, present=present, reason=reason) for n in names))
