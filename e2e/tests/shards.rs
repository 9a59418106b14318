//! Several replicas share the work by Leases: every release is one replica's at a time, whoever comes, goes or dies.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Instant;

use pintle_e2e::{
    DEADLINE, HELMRELEASE, HookRuns, Namespace, Operator, OperatorOptions, Scene, is_ready, release_spec, wait_until,
};
use serde_json::{Value, json};

/// A namespace and replicas that share its work in so many shards.
struct Replicas {
    scene: Scene,
    shards: u32,
    /// Of a Lease, in seconds.
    lease: u32,
}

impl Replicas {
    fn set(name: &str, shards: u32, lease: u32) -> Self {
        let mut scene = Scene::set(name, &["hello-1.0.0"]).unwrap();
        // The scene's own works without Leases.
        scene.operator.stop().unwrap();
        Self { scene, shards, lease }
    }

    fn start(&self, identity: &str) -> Operator {
        let name = self.scene.namespace.name();
        let args = ["--leader-elect", "--lease-namespace=pintle-system"].map(str::to_owned).into_iter();
        let more = [
            format!("--lease-name={name}"),
            format!("--shards={}", self.shards),
            format!("--lease-duration={}", self.lease),
            format!("--identity={identity}"),
        ];
        let options = OperatorOptions {
            namespace: Some(name.to_owned()),
            args: args.chain(more).collect(),
            ..OperatorOptions::default()
        };
        Operator::start(self.scene.control_plane, &format!("{name}-{identity}"), options).unwrap()
    }

    /// Waits until each of these holds so many shards.
    fn until_shared(&self, replicas: &[(&Operator, u32)]) {
        let expected: Vec<u32> = replicas.iter().map(|(_, shards)| *shards).collect();
        wait_until(&format!("shards are held as in {expected:?}"), DEADLINE, || {
            let held: Vec<u32> = replicas.iter().map(|(operator, _)| number(operator, "pintle_shards ")).collect();
            Ok(if held == expected { Ok(()) } else { Err(format!("{held:?}")) })
        })
        .unwrap();
    }

    /// The Leases of shards: name and holder.
    fn leases(&self) -> Vec<(String, Option<String>)> {
        let list = self.scene.namespace.kubectl().get(&["leases", "-n", "pintle-system"]).unwrap();
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let name = |lease: &Value| lease["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let holder = |lease: &Value| lease["spec"]["holderIdentity"].as_str().map(str::to_owned);
        // Tests of this file share a control plane: none of their names begins with another's.
        let ours = format!("{}-", self.scene.namespace.name());
        let of_shards = |lease: &&Value| name(lease).starts_with(&ours) && !name(lease).contains("-member-");
        items.iter().filter(of_shards).map(|lease| (name(lease), holder(lease))).collect()
    }
}

/// A number of a metrics page; 0 if it is not there.
fn number(operator: &Operator, line: &str) -> u32 {
    let page = operator.metrics().unwrap_or_default();
    page.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok()).unwrap_or(0)
}

fn done(operator: &Operator, action: &str) -> u32 {
    number(operator, &format!("pintle_actions_total{{action=\"{action}\",outcome=\"Succeeded\"}} "))
}

/// Each depends on the one before, if they are to be in a chain.
fn put_releases(at: &Namespace, count: usize, chained: bool) {
    let releases: Vec<_> = (0..count)
        .map(|number| {
            let more = match number.checked_sub(1).filter(|_| chained) {
                Some(before) => json!({"dependsOn": [{"name": format!("r-{before}")}]}),
                None => json!({}),
            };
            let (metadata, spec) = (json!({"name": format!("r-{number}")}), release_spec("hello", "1.0.0", &more));
            json!({"apiVersion": "pintle.dev/v1", "kind": "HelmRelease", "metadata": metadata, "spec": spec})
        })
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": releases});
    at.kubectl().run_with(&["create", "-n", at.name(), "-f", "-"], &list.to_string()).unwrap();
}

fn change_all(at: &Namespace, count: usize) {
    let patch = json!({"spec": {"values": {"greeting": "Good evening"}}}).to_string();
    let names: Vec<_> = (0..count).map(|number| format!("r-{number}")).collect();
    let mut args = vec!["patch", HELMRELEASE, "-n", at.name(), "--type=merge", "-p", &patch];
    args.extend(names.iter().map(String::as_str));
    at.kubectl().run(&args).unwrap();
}

fn until_all_run(at: &Namespace, count: usize, revision: i64) {
    wait_until(&format!("{count} releases run in revision {revision}"), DEADLINE, || {
        let releases = at.list(HELMRELEASE)?;
        let good = |release: &&Value| is_ready(release) && release["status"]["revision"] == revision;
        let ready = releases.iter().filter(good).count();
        Ok(if ready == count { Ok(()) } else { Err(format!("{ready} of {}", releases.len())) })
    })
    .unwrap();
}

/// Leases that last longer than the test: whatever changes hands was given away.
#[test]
fn replicas_share_and_give_away() {
    const RELEASES: usize = 30;
    let replicas = Replicas::set("shared", 6, 1800);
    let at = &replicas.scene.namespace;
    let mut hooks = HookRuns::watch(at).unwrap();
    let a = replicas.start("a");
    replicas.until_shared(&[(&a, 6)]);
    let (mut b, c) = (replicas.start("b"), replicas.start("c"));
    replicas.until_shared(&[(&a, 2), (&b, 2), (&c, 2)]);

    put_releases(at, RELEASES, false);
    until_all_run(at, RELEASES, 1);
    let installs = [&a, &b, &c].map(|replica| done(replica, "install"));
    assert_eq!(installs.iter().sum::<u32>(), 30, "{installs:?}");
    assert!(installs.iter().all(|installs| *installs > 0), "{installs:?}");
    let repository = at.object("helmrepositories.pintle.dev", "charts").unwrap();
    assert_eq!(repository["status"]["conditions"][0]["status"], "True", "{repository}");

    // In the middle of the work.
    change_all(at, RELEASES);
    b.stop().unwrap();
    let before = Instant::now();
    replicas.until_shared(&[(&a, 3), (&c, 3)]);
    eprintln!("its shards were taken over {:.1} s after a replica had stopped", before.elapsed().as_secs_f32());
    until_all_run(at, RELEASES, 2);
    let holders: Vec<_> = replicas.leases().into_iter().map(|(_, holder)| holder.unwrap_or_default()).collect();
    assert_eq!(holders.len(), 6);
    assert!(holders.iter().all(|holder| holder == "a" || holder == "c"), "{holders:?}");
    // One before each install and one after each upgrade.
    assert_eq!(hooks.each_once(at).unwrap(), 2 * RELEASES);
    for number in 0..RELEASES {
        let history = at.helm_json(&["history", &format!("r-{number}")]).unwrap();
        assert_eq!(history.as_array().unwrap().len(), 2, "r-{number}: {history}");
    }
}

/// A replica dies without a word; what it did is gone on with.
#[test]
fn the_shards_of_the_dead_are_taken_over() {
    const RELEASES: usize = 8;
    let replicas = Replicas::set("dead", 4, 10);
    let at = &replicas.scene.namespace;
    let mut hooks = HookRuns::watch(at).unwrap();
    let (mut a, b) = (replicas.start("a"), replicas.start("b"));
    replicas.until_shared(&[(&a, 2), (&b, 2)]);
    // Each waits for one that may be another replica's.
    put_releases(at, RELEASES, true);
    until_all_run(at, RELEASES, 1);
    assert!(done(&a, "install") > 0 && done(&b, "install") > 0, "one did all the work");

    change_all(at, RELEASES);
    a.kill();
    let before = Instant::now();
    replicas.until_shared(&[(&b, 4)]);
    let took = before.elapsed();
    eprintln!("its shards were taken over {:.1} s after a replica had died", took.as_secs_f32());
    until_all_run(at, RELEASES, 2);
    assert_eq!(hooks.each_once(at).unwrap(), 2 * RELEASES);
}

/// Replicas that divide the work otherwise wait for each other: the same release would be in two shards.
#[test]
fn another_division_of_the_work_waits() {
    let mut replicas = Replicas::set("divided", 2, 1800);
    let at = replicas.scene.namespace.clone();
    let mut a = replicas.start("a");
    replicas.until_shared(&[(&a, 2)]);
    replicas.shards = 3;
    let b = replicas.start("b");
    at.put_release("one", "hello", "1.0.0", &json!({})).unwrap();
    at.until_runs("one", "hello@1.0.0", 1).unwrap();
    let log = std::fs::read_to_string(b.process().log()).unwrap();
    assert!(log.contains("divides the work otherwise"), "{log}");
    assert_eq!((done(&a, "install"), number(&b, "pintle_shards ")), (1, 0));
    a.stop().unwrap();
    replicas.until_shared(&[(&b, 3)]);
    at.patch_release("one", &json!({"spec": {"values": {"greeting": "Ahoy"}}})).unwrap();
    at.until_runs("one", "hello@1.0.0", 2).unwrap();
}

/// With one shard there is one at work, as ever; who waits goes on from where it stopped.
#[test]
fn one_leads_and_hands_over() {
    let replicas = Replicas::set("led", 1, 1800);
    let at = &replicas.scene.namespace;
    let mut a = replicas.start("a");
    replicas.until_shared(&[(&a, 1)]);
    let b = replicas.start("b");
    at.put_release("one", "hello", "1.0.0", &json!({})).unwrap();
    at.until_runs("one", "hello@1.0.0", 1).unwrap();
    assert_eq!((done(&a, "install"), done(&b, "install")), (1, 0));
    a.stop().unwrap();
    replicas.until_shared(&[(&b, 1)]);
    at.patch_release("one", &json!({"spec": {"values": {"greeting": "Ahoy"}}})).unwrap();
    at.until_runs("one", "hello@1.0.0", 2).unwrap();
    let lease = at.kubectl().get(&["lease", "led", "-n", "pintle-system"]).unwrap();
    assert_eq!(lease["spec"]["holderIdentity"], "b", "{lease}");
}
