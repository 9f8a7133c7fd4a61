"""The page of hosts begins with what is wrong: hosts that need attention, and what missing features cost."""

from flask.testing import FlaskClient

from coordinator.web.host_problems import Cost, lacking, missing_features
from domain.service.jobs import Feature, HostCapabilities, Variant
from tests.unit.coordinator.coordinator_app import CoordinatorApp, capabilities
from tests.unit.coordinator.pages import sentences

FEATURES = (
    Feature(name="hardware_counters", present=False, reason="No PMU.", remedy="Use bare metal."),
    Feature(name="qdisc.netem", present=False, reason="Unknown qdisc.", remedy="Load sch_netem."),
    Feature(name="qdisc.fq", present=False, reason="Unknown qdisc.", remedy="Load sch_fq."),
    Feature(name="cpus.own", present=False, reason="Too few.", remedy="Use a host with 4 CPUs."),
    Feature(name="root", present=True),
)


def host() -> HostCapabilities:
    """It lacks features of which two datapaths, a probe and a condition need some."""
    found = capabilities("h1").model_copy(update={"features": FEATURES})
    missing = tuple(found.lacking("qdisc.fq"))
    datapaths = (
        Variant(name="ebpf_edt", missing=missing),
        Variant(name="mixed", missing=(*missing, "nginx is too old.")),
        Variant(name="direct"),
    )
    return found.model_copy(update={"datapaths": datapaths, "probes": (Variant(name="queue", missing=missing),)})


def test_a_drained_host_that_is_offline_needs_no_attention(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    coordinator_app.now += 3600
    assert "1 of 1 host needs attention" in " ".join(sentences(browser.get("/hosts")))
    drained = coordinator_app.client.post("/api/v1/hosts/h1/drain", headers=coordinator_app.user)
    assert drained.status_code == 204, drained.text
    assert "needs attention" not in " ".join(sentences(browser.get("/hosts")))


def test_a_missing_feature_has_the_variants_and_conditions_that_need_it() -> None:
    found = {one.feature.name: one.costs for one in missing_features(host())}
    assert list(found) == ["qdisc.fq", "cpus.own", "qdisc.netem", "hardware_counters"]
    assert found["qdisc.fq"] == (Cost("datapaths", ("ebpf_edt", "mixed")), Cost("probes", ("queue",)))
    assert found["qdisc.netem"] == (Cost("conditions", ("delay(µs)",)),)
    assert "share CPUs" in found["cpus.own"][0].names[0]
    assert found["hardware_counters"] == ()


def test_a_variant_names_its_features_and_says_what_else_prevents_it() -> None:
    found = {one.variant.name: (one.features, one.reasons) for one in lacking(host())}
    assert found == {
        "ebpf_edt": (("qdisc.fq",), ()),
        "mixed": (("qdisc.fq",), ("nginx is too old.",)),
        "queue": (("qdisc.fq",), ()),
    }


def test_the_page_has_reason_cost_and_remedy_of_each_feature_once(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.client.put(
        "/api/v1/worker/hosts/h1", json=host().model_dump(mode="json"), headers=coordinator_app.worker_of("h1")
    )
    page = browser.get("/hosts")
    said = " ".join(sentences(page)).partition("Kernel and machine")[0]
    assert (
        "qdisc.fq Unknown qdisc. It costs datapaths ebpf_edt , mixed ; probes queue . What to do: Load sch_fq." in said
    )
    assert said.count("Load sch_fq.") == 1
    assert "nginx is too old." in said
    assert "hardware_counters" not in said
    assert said.index("It costs") < said.index("What it cannot run") < said.index("Drain")


def test_hosts_that_need_attention_come_first_and_are_named(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register("h2")
    coordinator_app.now += 3600
    coordinator_app.register("h1")
    page = browser.get("/hosts").text
    assert "1 of 2 hosts needs attention: h2 , it is offline" in " ".join(sentences(browser.get("/hosts")))
    assert page.index('id="host-1"') < page.index(">h2</span>") < page.index('id="host-2"') < page.index(">h1</span>")
    assert '<a class="mono" href="#host-1">h2</a>' in page
    coordinator_app.register("h2")
    assert "attention" not in " ".join(sentences(browser.get("/hosts")))


def test_a_queue_names_the_first_campaigns_and_counts_the_others(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    for number in range(5):
        coordinator_app.submit(name=f"queued-{number}", blocks=number + 1)
        coordinator_app.now += 1
    coordinator_app.claim(coordinator_app.last_sent())
    said = " ".join(sentences(browser.get("/hosts")))
    assert "block 1 of queued-0" in said
    assert "Waiting 14 blocks: 2 of queued-1 , 3 of queued-2 , 4 of queued-3 , and 1 more campaign" in said
