//! What config/ and the samples say is taken by a real API server, strictly, and means what it says.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use pintle_e2e::{ControlPlane, build_controlplane, root};

#[test]
fn an_api_server_takes_everything() {
    let tools = build_controlplane(&mut |line| eprintln!("{line}")).unwrap();
    let control_plane = ControlPlane::start(&tools, &root().join("target/e2e/configuration")).unwrap();
    control_plane.prepare_for_operator().unwrap();
    let kubectl = control_plane.admin();
    let whole = root().join("config/default");
    kubectl.run(&["apply", "--server-side", "--force-conflicts", "-k", whole.to_str().unwrap()]).unwrap();

    let mut samples = 0;
    for entry in fs::read_dir(root().join("config/samples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            kubectl
                .run(&["apply", "--dry-run=server", "--validate=strict", "-f", path.to_str().unwrap()])
                .unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
            samples += 1;
        }
    }
    assert!(samples > 5, "only {samples} samples found");

    // The operator's rights: what it does itself, and cluster-admin only by the binding that can be left out.
    let may = |verb: &str, resource: &str| {
        control_plane
            .as_operator()
            .run(&["auth", "can-i", verb, resource, "-n", "default"])
            .is_ok_and(|text| text.trim() == "yes")
    };
    assert!(may("create", "deployments"), "releases without a service account cannot be installed");
    kubectl.run(&["delete", "clusterrolebinding", "pintle-releases"]).unwrap();
    for (verb, resource, allowed) in [
        ("watch", "helmreleases.pintle.dev", true),
        ("patch", "helmreleases.pintle.dev/status", true),
        ("watch", "deployments", true),
        ("impersonate", "serviceaccounts", true),
        ("create", "events.events.k8s.io", true),
        ("create", "deployments", false),
        ("create", "secrets", false),
        ("delete", "helmreleases.pintle.dev", false),
    ] {
        assert_eq!(may(verb, resource), allowed, "{verb} {resource}");
    }
}
