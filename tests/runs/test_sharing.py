"""Ways to split and to share: load by header, loads by hand, workers of xdist and two runs at the same time.

Other tests may run at the same time. They may make a run inconclusive, but for no other reason than a busy machine.
"""

import json

from harness import bundle


def test_load_may_choose_its_arm(gate):
    """Split by header: every request says which arm it is for, and every proof of the split holds."""
    gate.configure(split={"by": "header", "share": "25%"})
    gate.scenario("def test_steady(canary):\n    canary.run()\n")
    said, _ = gate.run()
    (folder,) = gate.bundles()
    held = {proof.name: proof.held for proof in bundle.read_analysis(folder).proofs}
    assert (True, True, True) == (held["split"], held["arms known"], held["counted alike"]), said


def test_free_hand_faults_and_loads_are_judged_together(gate):
    """``chaos``, ``load`` and ``canary.compare`` give the same kind of record as a declared run.

    It names another run that measured at the same time too, also one that began later.
    """
    gate.scenario("""
from harness.run_folder import working_on

def test_by_hand(canary, chaos, load, harness_config):
    load.run("browse", "4s", warm_up="1s")
    with chaos.inject(abort("ratings", 503, percent=30)):
        load.run("browse", "4s", warm_up="1s")
    with working_on(harness_config.out / "another"):
        _compare(canary)

def _compare(canary):
    canary.compare("error_rate < +10pp", "latency_p50 < +200%").require_pass()
""")
    said, code = gate.run_on_time()
    assert 0 == code or gate.was_busy(), said
    record = bundle.read_bundle(gate.bundles()[-1])
    assert ["steady", "abort(ratings, 503, 30 %)"] == [phase.name for phase in record.phases if phase.kind.judged]
    assert [event.text for event in record.events if "at the same time: another;" in event.text]
    assert [] == gate.left_behind()


def test_xdist_workers_take_turns_with_a_mesh_each(gate):
    """Two scenarios on two workers: both decided, one after the other, in one run folder."""
    gate.scenario("""
@pytest.mark.parametrize("number", [1, 2])
def test_steady(canary, number):
    canary.run(steady="2s").require_pass()
""")
    said, code = gate.run_on_time("-n2")
    assert 0 == code or gate.was_busy(), said
    first, second = (json.loads((folder / "manifest.json").read_text()) for folder in gate.bundles())
    assert first["run"] != second["run"]
    assert 1 == len({folder.parent for folder in gate.bundles()})
    started_at = sorted(bundle.read_bundle(folder).load.started_at for folder in gate.bundles())
    assert started_at[1] - started_at[0] > 3  # the warm-up and the steady phase of the first one


def test_two_runs_at_once_do_not_disturb_each_other(gate):
    """Own ports, own proxies, own folders: both are decided, and no proof fails but for how busy the other run keeps us."""
    gate.scenario("def test_steady(canary):\n    canary.run().require_pass()\n")
    first, second = gate.start(), gate.start()
    codes = [first.wait(120), second.wait(120)]
    assert [0, 0] == codes or gate.was_busy(), first.stdout.read() + second.stdout.read()
    assert 2 == len({folder.parent for folder in gate.bundles()})
    for process in (first, second):
        process.stdout.close()
