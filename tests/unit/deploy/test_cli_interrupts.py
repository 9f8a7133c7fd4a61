"""An interrupt of ``showdown run`` cancels the campaign, whenever it comes, and a second one waits no longer."""

import signal

import pytest

from deploy.cli.errors import ExitCode
from tests.unit.deploy.fake_run import CAMPAIGN, Fake, interrupt, invoke, replace_coordinator, replace_stack


@pytest.fixture(autouse=True)
def own_state(monkeypatch, tmp_path):
    monkeypatch.setenv("SHOWDOWN_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def stack(monkeypatch):
    return replace_stack(monkeypatch)


@pytest.fixture
def fake(monkeypatch):
    return replace_coordinator(monkeypatch, Fake())


@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupt_of_the_submission_cancels_what_was_submitted(stack, monkeypatch, times):
    class Interrupted(Fake):
        def __call__(self, request):
            if request.method == "POST" and not self.asked:
                for _ in range(times):
                    signal.raise_signal(signal.SIGINT)
            return super().__call__(request)

    fake = replace_coordinator(monkeypatch, Interrupted())
    result = invoke("run", CAMPAIGN)
    assert result.exit_code == ExitCode.INTERRUPTED
    assert stack.entered[0].left
    cancelled = ("POST", "campaigns/k3f9x2ab/cancel") in fake.asked
    assert cancelled is ("cancelling the campaign" in result.stderr) is (times == 1), "the second one waits for nothing"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_cancels_waits_and_stops(stack, fake, number):
    before = signal.getsignal(number)
    fake.states = ["running"]
    stack.on_watch = interrupt(number=number)
    result = invoke("run", CAMPAIGN, "--json")
    assert result.exit_code == ExitCode.INTERRUPTED, result.output
    cancel = fake.asked.index(("POST", "campaigns/k3f9x2ab/cancel"))
    assert fake.asked[cancel + 1 :] == [("GET", "campaigns/k3f9x2ab")] * 2, "looked until it was cancelled"
    assert stack.entered[0].left
    assert not stack.entered[0].state_dir.exists()
    assert result.stdout == ""
    assert signal.getsignal(number) == before


def test_a_second_interrupt_waits_no_longer(stack, fake, monkeypatch):
    def never_done(request):
        if request.url.path.endswith("/cancel"):
            signal.raise_signal(signal.SIGINT)
        return fake(request)

    replace_coordinator(monkeypatch, never_done)
    monkeypatch.setattr(fake, "states", ["running"])
    stack.on_watch = interrupt()
    result = invoke("run", CAMPAIGN)
    assert result.exit_code == ExitCode.INTERRUPTED
    asked_after = fake.asked[fake.asked.index(("POST", "campaigns/k3f9x2ab/cancel")) + 1 :]
    assert len(asked_after) == 1, "it was still cancelling when we left"
    assert stack.entered[0].left
