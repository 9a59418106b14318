//! A network on which everything goes wrong once, or all of it for a minute: a release's life comes to the same as without,
//! nothing is lost and no hook runs twice.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use pintle_e2e::{
    Call, DEADLINE, FaultProxy, HELMRELEASE, HookRuns, Namespace, Releases, Scene, Verdict, condition, is_tested,
    outcome, settled, wait_until,
};
use serde_json::{Value, json};

/// A stage of a release's life: how it begins, and whether it is over.
struct Stage {
    name: &'static str,
    begin: fn(&Namespace, &str),
    over: fn(Option<&Value>) -> bool,
}

const LIFE: [Stage; 4] = [
    Stage {
        name: "install",
        begin: |at, release| put(at, release, "1.0.0"),
        over: |release| release.is_some_and(|r| is_tested(r, "hello@1.0.0")),
    },
    Stage {
        name: "upgrade",
        begin: |at, release| put(at, release, "1.1.0"),
        over: |release| release.is_some_and(|r| is_tested(r, "hello@1.1.0")),
    },
    Stage {
        name: "failing upgrade",
        begin: |at, release| {
            let values = json!({"replicas": 0, "hookSim": "fail"});
            at.patch_release(release, &json!({"spec": {"values": values}})).unwrap();
        },
        over: |release| {
            release.is_some_and(|r| {
                r["status"]["revision"] == 4
                    && r["status"]["observedGeneration"] == r["metadata"]["generation"]
                    && condition(r, "Stalled").is_some()
            })
        },
    },
    Stage {
        name: "uninstall",
        begin: |at, release| {
            at.kubectl().run(&["-n", at.name(), "delete", HELMRELEASE, release, "--wait=false"]).unwrap();
        },
        over: |release| release.is_none(),
    },
];

fn put(at: &Namespace, release: &str, version: &str) {
    let more = json!({"interval": "1h", "test": {"enable": true}, "values": {"replicas": 0},
        "upgrade": {"timeout": "2m", "remediation": {"retries": 0, "remediateLastFailure": true}}});
    at.put_release(release, "hello", version, &more).unwrap();
}

/// A namespace whose operator goes through a proxy.
struct Trial {
    scene: Scene,
    proxy: FaultProxy,
    hooks: HookRuns,
    releases: Releases,
}

impl Trial {
    fn set(name: &str) -> Self {
        let mut scene = Scene::set(&format!("fault-{name}"), &["hello-1.0.0", "hello-1.1.0"]).unwrap();
        let proxy = scene.put_proxy_between().unwrap();
        let hooks = HookRuns::watch(&scene.namespace).unwrap();
        let releases = Releases::watch(&scene.namespace).unwrap();
        Self { scene, proxy, hooks, releases }
    }

    /// Lives through all stages; before each begins, `disturb` is asked. What each comes to, which is to be as it is
    /// expected, if something is.
    fn live(
        &mut self,
        release: &str,
        expected: Option<&[Value]>,
        mut disturb: impl FnMut(&FaultProxy, &Stage),
    ) -> Vec<Value> {
        let at = self.scene.namespace.clone();
        let at = &at;
        let mut all = Vec::new();
        for (number, stage) in LIFE.iter().enumerate() {
            disturb(&self.proxy, stage);
            (stage.begin)(at, release);
            let operator = &mut self.scene.operator;
            self.releases
                .until(release, DEADLINE * 2, stage.over, || operator.check())
                .with_context(|| format!("{} of {release}", stage.name))
                .unwrap();
            // The last words may meet the fault, too.
            let end = match expected.and_then(|all| all.get(number)) {
                None => settled(at, release),
                Some(expected) => {
                    wait_until(&format!("{} of {release} ends as without faults", stage.name), DEADLINE, || {
                        let found = outcome(at, release)?;
                        let same = found == *expected;
                        Ok(if same { Ok(found) } else { Err(format!("{found:#}\ninstead of\n{expected:#}")) })
                    })
                }
            };
            let end = end.unwrap();
            self.proxy.judge(|_| Verdict::Pass);
            all.push(end);
        }
        all
    }

    /// Two lives, the second disturbed, that come to the same.
    fn compare(&mut self, disturb: impl FnMut(&FaultProxy, &Stage)) {
        let expected = self.live("calm", None, |_, _| {});
        self.live("storm", Some(&expected), disturb);
        let ran = self.hooks.each_once(&self.scene.namespace).unwrap();
        assert!(ran >= 4, "{ran} hooks ran");
    }
}

/// Every request meets the fault once in each stage, whatever is asked.
fn each_once(name: &str, verdict: Verdict, which: fn(&Call) -> bool) {
    let met = Arc::new(AtomicUsize::new(0));
    let mut trial = Trial::set(name);
    trial.compare(|proxy, _| {
        let mut seen = HashSet::new();
        let met = Arc::clone(&met);
        proxy.judge(move |call| {
            let path = call.target.split('?').next().unwrap_or_default();
            let question = format!("{} {path} {}", call.method, call.target.contains("dryRun=All"));
            if which(call) && seen.insert(question) {
                met.fetch_add(1, Ordering::SeqCst);
                return verdict;
            }
            Verdict::Pass
        });
        // Watches begin again, and meet the fault too.
        proxy.sever();
    });
    let met = met.load(Ordering::SeqCst);
    assert!(met > 20, "only {met} requests met the fault");
    eprintln!("{name}: {met} requests met the fault; each stage ended as without");
}

const ANY: fn(&Call) -> bool = |_| true;

#[test]
fn conflicts() {
    each_once("409", Verdict::Answer(409), Call::is_write);
}

#[test]
fn too_many_requests() {
    each_once("429", Verdict::Answer(429), ANY);
}

#[test]
fn internal_errors() {
    each_once("500", Verdict::Answer(500), ANY);
}

#[test]
fn unavailable() {
    each_once("503", Verdict::Answer(503), ANY);
}

#[test]
fn connections_refused() {
    each_once("lost", Verdict::Lose, ANY);
}

#[test]
fn answers_cut_short() {
    each_once("cut", Verdict::Cut(200), ANY);
}

#[test]
fn latency() {
    let mut trial = Trial::set("late");
    trial.compare(|proxy, _| {
        proxy.judge(|call| if call.is_watch() { Verdict::Pass } else { Verdict::Late(Duration::from_millis(400)) });
    });
}

#[test]
fn expired_watches() {
    let met = Arc::new(AtomicUsize::new(0));
    let mut trial = Trial::set("410");
    trial.compare(|proxy, _| {
        let mut left = 40;
        let met = Arc::clone(&met);
        proxy.judge(move |call| {
            if call.is_watch() && left > 0 {
                left -= 1;
                met.fetch_add(1, Ordering::SeqCst);
                return Verdict::Answer(410);
            }
            Verdict::Pass
        });
        proxy.sever();
    });
    let met = met.load(Ordering::SeqCst);
    assert!(met > 4, "only {met} watches were told that they are too late");
}

#[test]
fn a_minute_without_the_api_server() {
    let mut trial = Trial::set("partition");
    trial.compare(|proxy, stage| {
        if stage.name == "uninstall" {
            return;
        }
        // It begins in the middle: at the first write to an object of the release.
        let mut begun = None;
        proxy.judge(move |call| {
            if begun.is_none() && call.is_write() && call.target.contains("/jobs") {
                begun = Some(Instant::now());
            }
            match begun {
                Some(at) if at.elapsed() < Duration::from_secs(60) => Verdict::Sever,
                _ => Verdict::Pass,
            }
        });
    });
}
