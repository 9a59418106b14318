//! Whatever is wrong with a chart, a server or a spec: the release says so in its Ready condition and names the thing,
//! what runs goes on running untouched, and when the cause goes the release heals by itself.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{
    ChartRepository, Fault, HELMRELEASE, Namespace, Packaged, Scene, archive, condition, package_with, root,
};
use serde_json::{Value, json};

/// A namespace in which hello 1.0.0 runs as the release `hello`, from a repository of its own.
struct Case<'a> {
    at: &'a Namespace,
    repository: &'a ChartRepository,
}

impl Case<'_> {
    fn want(&self, version: &str) {
        self.at.patch_release("hello", &json!({"spec": {"chart": {"spec": {"version": version}}}})).unwrap();
    }

    fn merge(&self, spec: &Value) {
        self.at.patch_release("hello", &json!({"spec": spec})).unwrap();
    }

    fn repository(&self, url: &str) {
        self.at.put_repository("charts", &json!({"url": url, "interval": "5s", "timeout": "5s"})).unwrap();
    }

    /// Publishes a chart `hello` 1.1.0 with these files in place of the right one.
    fn publish(&self, files: &[(&str, &[u8])]) {
        let entries = files.iter().map(|(name, content)| ((*name).to_owned(), content.to_vec())).collect();
        let bytes = archive(entries).unwrap();
        self.repository.add(Packaged { name: "hello".into(), version: "1.1.0".into(), app_version: "1".into(), bytes });
    }

    fn publish_template(&self, template: &str) {
        self.publish(&[("hello/Chart.yaml", CHART), ("hello/templates/odd.yaml", template.as_bytes())]);
    }

    fn publish_the_right_one(&self) {
        self.repository.add(the_right_one(self.at.name()));
    }
}

/// Its bytes are the case's own: a chart that another case has fetched would be taken from the cache by its digest.
fn the_right_one(case: &str) -> Packaged {
    package_with(&root().join("e2e/charts/hello-1.1.0"), vec![("case.txt".into(), case.as_bytes().to_vec())]).unwrap()
}

const CHART: &[u8] = b"apiVersion: v2\nname: hello\nversion: 1.1.0\n";
const FILE: &str = "/hello-1.1.0.tgz";

struct Trouble {
    name: &'static str,
    spoil: fn(&Case<'_>),
    reasons: &'static [&'static str],
    /// What the message must name.
    names: &'static [&'static str],
    heal: fn(&Case<'_>),
}

fn download(case: &Case<'_>, fault: Fault) {
    case.publish_the_right_one();
    case.repository.fault(FILE, fault);
    case.want("1.1.0");
}

fn index(case: &Case<'_>, fault: Fault) {
    case.repository.fault("/mirror/index.yaml", fault);
    // Another address: the index that was fetched from the first one does not count.
    case.repository(&case.repository.mirror());
    case.want("1.1.0");
}

fn heal(case: &Case<'_>) {
    case.publish_the_right_one();
    case.repository.heal();
}

const PULL: &[&str] = &["ChartPullError"];
const SOURCE: &[&str] = &["SourceNotReady"];

const CASES: &[Trouble] = &[
    Trouble {
        name: "range",
        spoil: |case| case.want(">=1.0 <"),
        reasons: &["ArtifactFailed", "InvalidChartReference"],
        names: &[">=1.0 <"],
        heal: |case| case.want(">=1.0 <1.1"),
    },
    Trouble {
        name: "absent-version",
        spoil: |case| case.want("1.1.7"),
        reasons: &["ArtifactFailed", "InvalidChartReference"],
        names: &["hello", "1.1.7"],
        heal: |case| {
            case.publish_the_right_one();
            case.want("1.1.0");
        },
    },
    Trouble {
        name: "unreachable",
        spoil: |case| {
            case.repository("http://127.0.0.1:9");
            case.want("1.1.0");
        },
        reasons: SOURCE,
        names: &["hello", "127.0.0.1:9"],
        heal: |case| {
            case.publish_the_right_one();
            case.repository(&case.repository.url());
        },
    },
    Trouble {
        name: "index-401",
        spoil: |case| index(case, Fault::Status(401)),
        reasons: SOURCE,
        names: &["401"],
        heal,
    },
    Trouble {
        name: "index-500",
        spoil: |case| index(case, Fault::Status(500)),
        reasons: SOURCE,
        names: &["500"],
        heal,
    },
    Trouble {
        name: "index-garbage",
        spoil: |case| index(case, Fault::Body(b"<html>sign in</html>".to_vec())),
        reasons: SOURCE,
        names: &["index"],
        heal,
    },
    Trouble {
        name: "index-endless",
        spoil: |case| index(case, Fault::EndlessBody),
        reasons: SOURCE,
        names: &["index.yaml"],
        heal,
    },
    Trouble {
        name: "chart-401",
        spoil: |case| download(case, Fault::Status(401)),
        reasons: &["AuthenticationFailed"],
        names: &["401", "hello-1.1.0.tgz"],
        heal,
    },
    Trouble {
        name: "chart-404",
        spoil: |case| download(case, Fault::Status(404)),
        reasons: &["ChartPullError", "InvalidChartReference"],
        names: &["404", "hello-1.1.0.tgz"],
        heal,
    },
    Trouble {
        name: "chart-500",
        spoil: |case| download(case, Fault::Status(500)),
        reasons: PULL,
        names: &["500", "hello-1.1.0.tgz"],
        heal,
    },
    Trouble {
        name: "chart-cut",
        spoil: |case| download(case, Fault::CutBody),
        reasons: PULL,
        names: &["hello-1.1.0.tgz"],
        heal,
    },
    Trouble {
        name: "chart-endless",
        spoil: |case| download(case, Fault::EndlessBody),
        reasons: PULL,
        names: &["hello-1.1.0.tgz"],
        heal,
    },
    Trouble {
        name: "chart-silent",
        spoil: |case| download(case, Fault::Silence),
        reasons: PULL,
        names: &["hello-1.1.0.tgz"],
        heal,
    },
    Trouble {
        name: "digest",
        spoil: |case| {
            case.publish_the_right_one();
            case.repository.falsify_digest("hello", "1.1.0");
            case.want("1.1.0");
        },
        reasons: &["DigestMismatch"],
        names: &["hello", "digest"],
        heal: |case| case.publish_the_right_one(),
    },
    Trouble {
        name: "climbing",
        spoil: |case| {
            case.publish(&[("hello/Chart.yaml", CHART), ("hello/../../../../tmp/climbed", b"x")]);
            case.want("1.1.0");
        },
        reasons: &["ChartLoadFailed"],
        names: &["hello", "parent directory"],
        heal: |case| case.publish_the_right_one(),
    },
    Trouble {
        name: "bomb",
        spoil: |case| {
            let zeros = vec![0u8; 128 << 20];
            case.publish(&[("hello/Chart.yaml", CHART), ("hello/files/zeros", &zeros)]);
            case.want("1.1.0");
        },
        reasons: &["ChartLoadFailed"],
        names: &["hello"],
        heal: |case| case.publish_the_right_one(),
    },
    Trouble {
        name: "template",
        spoil: |case| {
            case.publish_template("a: {{ required \"a colour is needed\" .Values.colour }}\n");
            case.want("1.1.0");
        },
        reasons: &["RenderFailed", "UpgradeFailed"],
        names: &["hello/templates/odd.yaml:1", "a colour is needed"],
        heal: |case| case.publish_the_right_one(),
    },
    Trouble {
        name: "schema",
        spoil: |case| case.merge(&json!({"values": {"replicas": "two", "hooks": {"enabled": false}}})),
        reasons: &["RenderFailed", "UpgradeFailed", "ValuesError"],
        names: &["replicas"],
        heal: |case| case.merge(&json!({"values": {"replicas": 1}})),
    },
    Trouble {
        name: "foreign",
        spoil: |case| {
            let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
                "metadata": {"name": "hello-hello", "namespace": case.at.name()},
                "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "other"}}}});
            case.at.kubectl().apply(&budget.to_string()).unwrap();
            case.publish_the_right_one();
            case.merge(&json!({"upgrade": {"disableTakeOwnership": true}, "chart": {"spec": {"version": "1.1.0"}}}));
        },
        reasons: &["ObjectInUse", "UpgradeFailed"],
        names: &["PodDisruptionBudget", "hello-hello"],
        heal: |case| {
            case.at.kubectl().run(&["delete", "pdb", "hello-hello", "-n", case.at.name()]).unwrap();
        },
    },
    Trouble {
        name: "immutable",
        spoil: |case| {
            let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: {{ .Release.Name }}-hello}\nspec:\n  \
                selector: {matchLabels: {app: other}}\n  template:\n    metadata: {labels: {app: other}}\n    \
                spec: {containers: [{name: main, image: nowhere/main:1}]}\n";
            case.publish_template(deployment);
            case.want("1.1.0");
        },
        reasons: &["InvalidObject", "UpgradeFailed"],
        names: &["Deployment", "hello-hello", "immutable"],
        heal: |case| case.publish_the_right_one(),
    },
    Trouble {
        name: "rights",
        spoil: |case| {
            case.at.kubectl().run(&["create", "serviceaccount", "deployer", "-n", case.at.name()]).unwrap();
            case.publish_the_right_one();
            case.merge(&json!({"serviceAccountName": "deployer", "chart": {"spec": {"version": "1.1.0"}}}));
        },
        reasons: &["AccessDenied", "UpgradeFailed"],
        names: &["forbidden", "deployer"],
        heal: |case| {
            let account = format!("--serviceaccount={}:deployer", case.at.name());
            case.at
                .kubectl()
                .run(&["create", "rolebinding", "deployer", "-n", case.at.name(), "--clusterrole=admin", &account])
                .unwrap();
        },
    },
];

/// Most of the time is spent waiting.
const LANES: usize = 8;

#[test]
fn each_is_named_harmless_and_heals() {
    let scene = Scene::everywhere("bad-input").unwrap();
    let failures: Vec<String> = std::thread::scope(|threads| {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| {
                let scene = &scene;
                threads.spawn(move || {
                    let cases = CASES.iter().skip(lane).step_by(LANES);
                    cases.filter_map(|case| told(case.name, play(scene, case))).collect::<Vec<_>>()
                })
            })
            .collect();
        lanes.into_iter().flat_map(|lane| lane.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "{} of {} cases failed:\n{}", failures.len(), CASES.len(), failures.join("\n\n"));
}

/// Said at once, since the other cases take their time.
fn told(name: &str, played: anyhow::Result<String>) -> Option<String> {
    let (line, failed) = match played {
        Ok(message) => (format!("{name}: {message}"), false),
        Err(error) => (format!("{name}: FAILED: {error:#}"), true),
    };
    eprintln!("{line}");
    failed.then_some(line)
}

fn play(scene: &Scene, case: &Trouble) -> anyhow::Result<String> {
    let at = scene.elsewhere(&format!("bad-{}", case.name))?;
    let repository = ChartRepository::start()?;
    repository.add_folder(&root().join("e2e/charts/hello-1.0.0"))?;
    let here = Case { at: &at, repository: &repository };
    here.repository(&repository.url());
    let retry = json!({"strategy": {"name": "RetryOnFailure", "retryInterval": "3s"}});
    let values = json!({"hooks": {"enabled": false}});
    at.put_release("hello", "hello", "1.0.0", &json!({"timeout": "20s", "upgrade": retry, "values": values}))?;
    at.until_runs("hello", "hello@1.0.0", 1)?;
    let before = at.object("deployment", "hello-hello")?;

    (case.spoil)(&here);
    let message = at.until_told("hello", case.reasons, case.names)?;
    let after = at.object("deployment", "hello-hello")?;
    anyhow::ensure!(
        before["metadata"]["generation"] == after["metadata"]["generation"],
        "the running Deployment was touched"
    );
    anyhow::ensure!(after["status"]["readyReplicas"] == 1, "the running pods were touched");
    let release = at.object(HELMRELEASE, "hello")?;
    anyhow::ensure!(
        condition(&release, "Ready").is_some_and(|ready| ready["status"] != "True"),
        "it healed without a reason"
    );

    (case.heal)(&here);
    at.until_ready("hello")?;
    Ok(message)
}
